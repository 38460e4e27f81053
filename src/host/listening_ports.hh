#pragma once

#include "wire/address.hh"

#include <cstdint>
#include <string_view>
#include <vector>

namespace slirpstack {

/// Where a socket of the host waits for clients.
struct ListeningPort
{
  std::uint8_t protocol = 0; ///< PROTOCOL_TCP or PROTOCOL_UDP
  /// IPv4; unspecified: all of the host's. Those of IPv6 alone are not of interest here.
  Endpoint address;
};

/// What `/proc/net/tcp`, `tcp6`, `udp` or `udp6` says; lines that it does not understand are passed
/// over.
[[nodiscard]] std::vector<ListeningPort> parse_listening_ports(std::string_view text,
                                                               std::uint8_t protocol);

/// Of all those files of this network namespace.
[[nodiscard]] std::vector<ListeningPort> read_listening_ports();

} // namespace slirpstack
