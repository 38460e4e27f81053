#pragma once

#include "accel/way_table.hh"
#include "guest/rtnetlink.hh"

#include <optional>

namespace slirpstack {

// What single rtnetlink messages say, in the order in which the kernel tells it; nothing where a
// message says something else. Each message is whole, its header included.

/// A RTM_NEWROUTE of an IPv4 route of the main, default or local table. Of several next hops, the
/// first counts.
[[nodiscard]] std::optional<HostRoute> parse_host_route(const nlmsghdr& message);

struct NeighbourNews
{
  IpAddress address;
  std::optional<MacAddress> mac; ///< none: not known, or no longer
};

/// A RTM_NEWNEIGH or RTM_DELNEIGH about an IPv4 neighbour at this interface.
[[nodiscard]] std::optional<NeighbourNews> parse_neighbour(const nlmsghdr& message,
                                                           unsigned interface);

/// A RTM_NEWLINK of an Ethernet interface.
[[nodiscard]] std::optional<ExternalLink> parse_external_link(const nlmsghdr& message);

} // namespace slirpstack
