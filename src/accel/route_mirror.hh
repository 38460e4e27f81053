#pragma once

#include "accel/nat_object.hh"
#include "accel/nat_table.hh"
#include "accel/way_table.hh"
#include "guest/rtnetlink.hh"
#include "host/loop.hh"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace slirpstack {

/// Keeps the maps `routes`, `exempt` and `routes6` as the host's routes and neighbours are, by
/// rtnetlink: read once at the start, then as the kernel announces changes.
class RouteMirror
{
public:
  /// `loop` and `object` must outlive this. Throws std::system_error, UsageError if the interface
  /// is not there or no Ethernet.
  RouteMirror(Loop& loop,
              const NatObject& object,
              const std::string& external,
              const WayTable::Settings& settings);
  ~RouteMirror();
  RouteMirror(const RouteMirror&) = delete;
  RouteMirror& operator=(const RouteMirror&) = delete;

  [[nodiscard]] const ExternalLink& link() const { return link_; }
  /// A packet could not be sent to `destination`: has the kernel find the neighbour that it takes.
  /// The answer comes by itself.
  void resolve(const IpAddress& destination);
  /// Has the kernel make sure of the gateways. It sees nothing of what is sent to them, so it would
  /// not notice by itself that one has moved.
  void refresh_gateways();

private:
  void read_all();
  void read_link();
  void read_neighbours(Family family);
  [[nodiscard]] std::vector<HostRoute> read_routes(Family family);
  void note_changes();
  void apply();
  void apply_exempt(const std::set<Prefix>& exempt);
  void apply_ipv6();
  void ask_kernel(const IpAddress& neighbour);

  std::string external_;
  WayTable table_;
  ExternalLink link_;
  NatTable<nat_route_key, nat_route> routes_;
  NatTable<nat_route_key, std::uint32_t> exempt_;
  NatTable<nat_route6_key, nat_route> routes6_;
  std::map<Prefix, nat_route> applied_routes_;
  std::map<Prefix, nat_route> applied_routes6_;
  std::set<Prefix> applied_exempt_;
  FileDescriptor changes_;
  RouteSocket reader_;
  std::set<IpAddress> asked_; ///< neighbours, since `asked_since_`
  TimePoint asked_since_{};
  Timer settled_;
  Watch watch_;
};

} // namespace slirpstack
