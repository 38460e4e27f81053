#pragma once

#include "base/file_descriptor.hh"
#include "wire/address.hh"

#include <cstdint>
#include <optional>
#include <vector>

namespace slirpstack::test {

/// All frames of a namespace's eth0.
class FrameSocket
{
public:
  explicit FrameSocket(const char* space);

  void send(const std::vector<std::uint8_t>& frame) const;

  struct Datagram
  {
    std::optional<std::uint16_t> vlan;
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
  };
  /// The next datagram that arrives from that address; none within two seconds is none.
  [[nodiscard]] std::optional<Datagram> receive_from(const IpAddress& source) const;

private:
  FileDescriptor socket_;
};

/// How the kernel of a frame's sender has made it.
struct Making
{
  std::uint16_t together_bytes = 0; ///< of a frame of 4 KiB and more; the rest lies in pages
  /// A device is to write the checksum of what begins at `sum_from`, behind so many bytes of it.
  std::optional<std::uint16_t> sum_from;
  std::uint16_t sum_offset = 0;
};
/// Sends a frame by a namespace's eth0 as a guest may (PACKET_VNET_HDR).
void send_made(const char* space, const std::vector<std::uint8_t>& frame, const Making& making);

} // namespace slirpstack::test
