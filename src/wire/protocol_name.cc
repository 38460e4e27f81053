#include "wire/protocol_name.hh"

#include "wire/ip.hh"

#include <fmt/format.h>

namespace slirpstack {

std::string protocol_name(std::uint8_t protocol)
{
  switch (protocol) {
    case PROTOCOL_ICMP:
    case PROTOCOL_ICMPV6:
      return "icmp";
    case PROTOCOL_TCP:
      return "tcp";
    case PROTOCOL_UDP:
      return "udp";
    default:
      return fmt::format("protocol-{}", protocol);
  }
}

} // namespace slirpstack
