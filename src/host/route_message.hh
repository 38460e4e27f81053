#pragma once

#include "base/bytes.hh"
#include "flow/host_networks.hh"

#include <optional>

namespace slirpstack {

/// What one rtnetlink message says about the host's own addresses and networks.
struct NetworkMessage
{
  HostNetworks::Kind kind = HostNetworks::Kind::own_address;
  Prefix prefix;
};

/// Reads a RTM_NEWADDR, RTM_DELADDR, RTM_NEWROUTE or RTM_DELROUTE message, its header included, in
/// the machine's byte order and aligned as nlmsghdr. Nothing for any other message, and for default
/// routes: those say nothing about what is the host's.
[[nodiscard]] std::optional<NetworkMessage> parse_route_message(ByteView message);

} // namespace slirpstack
