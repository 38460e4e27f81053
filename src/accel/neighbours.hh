#pragma once

#include "accel/route_news.hh"
#include "guest/rtnetlink.hh"
#include "wire/address.hh"

#include <functional>

namespace slirpstack {

// The host's neighbours at one of its interfaces, read and asked for by rtnetlink.

/// Visits all neighbours of a family at that interface. Throws std::system_error.
void read_neighbours(RouteSocket& socket,
                     Family family,
                     unsigned interface,
                     const std::function<void(const NeighbourNews&)>& visit);

/// Has the kernel find or make sure of a neighbour, as if a packet was to be sent there. The answer
/// comes as news. A refusal is logged at level debug.
void ask_for_neighbour(RouteSocket& socket, unsigned interface, const IpAddress& neighbour);

} // namespace slirpstack
