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

} // namespace slirpstack::test
