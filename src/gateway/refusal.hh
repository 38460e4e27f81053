#pragma once

#include "flow/host_network.hh"
#include "wire/icmp_error.hh"

#include <cstdint>
#include <variant>

namespace slirpstack {

/// A RST answers the SYN.
struct Reset
{
  auto operator<=>(const Reset&) const = default;
};

/// An ICMP error answers the packet.
struct Unreachable
{
  IcmpErrorKind kind = IcmpErrorKind::host_unreachable;
  /// With fragmentation_needed: the path MTU, 0 when it is not known.
  std::uint32_t mtu_bytes = 0;
  auto operator<=>(const Unreachable&) const = default;
};

using ConnectionRefusal = std::variant<Reset, Unreachable>;

/// How the guest is told that the host could not connect: as the far end, or the router on the
/// way there, would have told it. docs/refusals.md lists cause and answer.
[[nodiscard]] ConnectionRefusal refuse_connection(const HostError& error);

/// How the guest is told that its datagram or echo request could not be delivered.
[[nodiscard]] Unreachable refuse_datagram(const HostError& error);

} // namespace slirpstack
