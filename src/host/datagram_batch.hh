#pragma once

#include "flow/host_network.hh"
#include "host/socket_address.hh"

#include <array>
#include <cstddef>
#include <span>
#include <sys/socket.h>

namespace slirpstack {

/// Datagrams laid out for one sendmmsg: borrows their payload.
class DatagramBatch
{
public:
  static constexpr std::size_t CAPACITY = 64;

  /// At most CAPACITY datagrams.
  DatagramBatch(std::span<const OutboundDatagram> datagrams, const LinkScopes& scopes);
  DatagramBatch(const DatagramBatch&) = delete;
  DatagramBatch& operator=(const DatagramBatch&) = delete;
  DatagramBatch(DatagramBatch&&) = delete;
  DatagramBatch& operator=(DatagramBatch&&) = delete;
  ~DatagramBatch() = default;

  /// How many of the first went out; -1, with the reason in errno, when the very first failed.
  int send(int descriptor);

private:
  static constexpr std::size_t CONTROL_BYTES
    = CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(std::uint16_t)) + CMSG_SPACE(sizeof(in6_pktinfo));
  struct alignas(cmsghdr) Control
  {
    std::array<char, CONTROL_BYTES> bytes;
  };

  void lay_out(std::size_t index, const OutboundDatagram& datagram, const LinkScopes& scopes);

  // Only as much as there are datagrams is ever written or read.
  std::size_t count_;
  std::array<mmsghdr, CAPACITY> messages_;
  std::array<iovec, CAPACITY> pieces_;
  std::array<sockaddr_in6, CAPACITY> destinations_;
  std::array<Control, CAPACITY> controls_;
};

} // namespace slirpstack
