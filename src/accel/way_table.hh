#pragma once

#include "slirpstack/nat_map.h"
#include "wire/address.hh"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace slirpstack {

/// One route of the host.
struct HostRoute
{
  Prefix destination;
  bool is_unicast = true; ///< false: the host's own address, a broadcast one, a refusal …
  unsigned interface = 0;
  std::optional<IpAddress> gateway; ///< none: the destinations are on the link
  std::uint32_t metric = 0;         ///< of several to one destination the least counts
  std::uint32_t mtu_bytes = 0;      ///< 0: the interface's

  auto operator<=>(const HostRoute&) const = default;
};

/// The interface that leads to the world; its number is 0 while there is none.
struct ExternalLink
{
  unsigned index = 0;
  std::uint32_t mtu_bytes = 1500;
  MacAddress mac;
  std::string name;

  auto operator<=>(const ExternalLink&) const = default;
};

/// What the host's routes and neighbours mean for packets that leave by the external interface.
/// Pure: whoever hears of them tells it.
class WayTable
{
public:
  struct Settings
  {
    /// Guests may reach the networks that the external interface is attached to.
    bool allows_attached = false;
    /// Never translated, whatever the routes say.
    std::vector<Prefix> closed;
  };

  explicit WayTable(Settings settings) : settings_(std::move(settings)) {}

  void set_link(const ExternalLink& link) { link_ = link; }
  void set_routes(const std::vector<HostRoute>& routes);
  /// A neighbour at the external interface; without an Ethernet address it is not known (any more).
  void set_neighbour(const IpAddress& address, const std::optional<MacAddress>& mac);
  void clear_neighbours() { neighbours_.clear(); }

  /// The entries of `routes`: each neighbour, and each route by the external interface.
  [[nodiscard]] std::map<Prefix, nat_route> ways(Family family = Family::ipv4) const;
  /// The entries of `exempt`: what is closed, the host's own, attached, or by another interface.
  /// Such packets are the user-mode stack's. The default route is always by the external interface:
  /// that is what naming it means.
  [[nodiscard]] std::set<Prefix> exempt(Family family = Family::ipv4) const;
  /// The entries of `routes6`: both of the above. What lies in an exempt network has no way.
  /// The host's own addresses and its gateways are marked (NAT_ROUTE_TAKEN).
  [[nodiscard]] std::map<Prefix, nat_route> ways6() const;
  /// Who has to be asked for an Ethernet address before a packet can go there; nothing: no route.
  [[nodiscard]] std::optional<IpAddress> next_hop(const IpAddress& destination) const;
  /// Whether a route, default routes aside, leads to some of `network` by `interface`.
  [[nodiscard]] bool is_routed(const Prefix& network, unsigned interface) const;
  /// The gateways by the external interface.
  [[nodiscard]] std::set<IpAddress> gateways() const;

private:
  [[nodiscard]] bool leads_out(const HostRoute& route) const
  {
    return route.is_unicast && route.interface == link_.index;
  }
  [[nodiscard]] nat_route way_to(const std::optional<MacAddress>& mac, std::uint32_t mtu) const;

  Settings settings_;
  ExternalLink link_;
  std::map<Prefix, HostRoute> routes_; ///< the one that counts of each destination
  std::map<IpAddress, MacAddress> neighbours_;
};

} // namespace slirpstack
