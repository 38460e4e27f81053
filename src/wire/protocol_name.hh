#pragma once

#include <cstdint>
#include <string>

namespace slirpstack {

/// An IP protocol number for people: `tcp`, `udp`, `icmp` (ICMPv6 too), or `protocol-132`.
[[nodiscard]] std::string protocol_name(std::uint8_t protocol);

} // namespace slirpstack
