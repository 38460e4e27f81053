#include "accel/way_table.hh"

#include <algorithm>

namespace slirpstack {

namespace {

Prefix whole(const IpAddress& address)
{
  return {address, address.is_ipv4() ? 32U : 128U};
}

bool is_of(Family family, const Prefix& prefix)
{
  return prefix.address().family() == family;
}

/// Whether some network of the set holds all of `prefix`.
bool is_inside(const std::set<Prefix>& networks, const Prefix& prefix)
{
  for (unsigned length = 0; length <= prefix.length_bits(); ++length) {
    if (networks.contains({Prefix(prefix.address(), length).network(), length})) {
      return true;
    }
  }
  return false;
}

} // namespace

void WayTable::set_routes(const std::vector<HostRoute>& routes)
{
  routes_.clear();
  for (const HostRoute& route : routes) {
    // Naming the external interface is choosing its default route among several.
    if (route.destination.length_bits() == 0 && !leads_out(route)) {
      continue;
    }
    const auto [place, is_new] = routes_.emplace(route.destination, route);
    if (!is_new && route.metric < place->second.metric) {
      place->second = route;
    }
  }
}

void WayTable::set_neighbour(const IpAddress& address, const std::optional<MacAddress>& mac)
{
  if (mac) {
    neighbours_[address] = *mac;
  } else {
    neighbours_.erase(address);
  }
}

bool WayTable::is_routed(const Prefix& network, unsigned interface) const
{
  return std::ranges::any_of(routes_, [&](const auto& entry) {
    const auto& [destination, route] = entry;
    return route.is_unicast && route.interface == interface && destination.length_bits() > 0
           && (destination.contains(network.network()) || network.contains(destination.network()));
  });
}

nat_route WayTable::way_to(const std::optional<MacAddress>& mac, std::uint32_t mtu) const
{
  nat_route way{};
  way.ifindex = link_.index;
  way.flags = mac ? 0 : NAT_ROUTE_UNRESOLVED;
  way.mtu = mtu == 0 ? link_.mtu_bytes : std::min(mtu, link_.mtu_bytes);
  if (mac) {
    std::ranges::copy(mac->bytes, std::begin(way.destination_mac));
  }
  std::ranges::copy(link_.mac.bytes, std::begin(way.source_mac));
  return way;
}

std::map<Prefix, nat_route> WayTable::ways(Family family) const
{
  std::map<Prefix, nat_route> ways;
  for (const auto& [address, mac] : neighbours_) {
    if (address.family() == family) {
      ways[whole(address)] = way_to(mac, 0);
    }
  }
  for (const auto& [destination, route] : routes_) {
    if (!is_of(family, destination) || !leads_out(route)) {
      continue;
    }
    std::optional<MacAddress> mac;
    if (route.gateway) {
      const auto known = neighbours_.find(*route.gateway);
      mac = known == neighbours_.end() ? std::nullopt : std::optional(known->second);
    } else if (ways.contains(destination)) {
      continue; // a route to one neighbour, which is known
    }
    ways[destination] = way_to(mac, route.mtu_bytes);
  }
  return ways;
}

std::set<Prefix> WayTable::exempt(Family family) const
{
  std::set<Prefix> exempt(settings_.closed.begin(), settings_.closed.end());
  for (const auto& [destination, route] : routes_) {
    const bool is_attached = !route.gateway && destination.length_bits() != 0;
    if (!leads_out(route) || (is_attached && !settings_.allows_attached)) {
      exempt.insert(destination);
    }
  }
  std::erase_if(exempt, [&](const Prefix& prefix) { return !is_of(family, prefix); });
  // A network inside one of these, with a way of its own, is exempt too: slower, and as right.
  return exempt;
}

std::map<Prefix, nat_route> WayTable::ways6() const
{
  const std::set<Prefix> closed = exempt(Family::ipv6);
  std::map<Prefix, nat_route> ways = this->ways(Family::ipv6);
  std::erase_if(ways, [&](const auto& way) { return is_inside(closed, way.first); });
  for (const Prefix& prefix : closed) {
    ways[prefix] = {};
  }
  for (const auto& [destination, route] : routes_) {
    if (is_of(Family::ipv6, destination) && !route.is_unicast
        && destination == whole(destination.network())) {
      ways[destination].flags |= NAT_ROUTE_TAKEN; // the host's own
    }
  }
  for (const IpAddress& gateway : gateways()) {
    if (gateway.family() == Family::ipv6) {
      ways[whole(gateway)].flags |= NAT_ROUTE_TAKEN;
    }
  }
  return ways;
}

std::optional<IpAddress> WayTable::next_hop(const IpAddress& destination) const
{
  for (unsigned length = destination.is_ipv4() ? 32 : 128;; --length) {
    const auto best = routes_.find({Prefix(destination, length).network(), length});
    if (best != routes_.end()) {
      return leads_out(best->second) ? std::optional(best->second.gateway.value_or(destination))
                                     : std::nullopt;
    }
    if (length == 0) {
      return std::nullopt;
    }
  }
}

std::set<IpAddress> WayTable::gateways() const
{
  std::set<IpAddress> gateways;
  for (const auto& [destination, route] : routes_) {
    if (leads_out(route) && route.gateway) {
      gateways.insert(*route.gateway);
    }
  }
  return gateways;
}

} // namespace slirpstack
