#pragma once

#include "accel/nat_object.hh"
#include "accel/nat_table.hh"
#include "accel/way_table.hh"
#include "guest/route_events.hh"
#include "guest/rtnetlink.hh"
#include "host/loop.hh"

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace slirpstack {

/// Keeps the maps `routes`, `exempt` and `routes6` as the host's routes and neighbours are, by
/// rtnetlink: read once at the start, then as the kernel announces changes.
class RouteMirror
{
public:
  /// What stands outside.
  struct Outlook
  {
    ExternalLink link;
    bool is_settled = true; ///< false: look again in a moment, though the kernel tells nothing new
  };
  /// Asked before the routes are read: links, addresses or routes may have changed. May throw
  /// std::system_error.
  using Look = std::function<Outlook()>;
  /// Who sends: his zone and address.
  using Asker = std::pair<unsigned, IpAddress>;

  /// `loop` and `object` must outlive this. Throws std::system_error.
  RouteMirror(Loop& loop, const NatObject& object, Look look, const WayTable::Settings& settings);
  ~RouteMirror();
  RouteMirror(const RouteMirror&) = delete;
  RouteMirror& operator=(const RouteMirror&) = delete;

  /// A packet could not be sent to `destination`: has the kernel find the neighbour that it takes.
  /// The answer comes by itself. How many are found in a second is limited, for each asker too.
  void resolve(const IpAddress& destination, std::optional<Asker> asker = std::nullopt);
  /// Has the kernel make sure of the gateways. It sees nothing of what is sent to them, so it would
  /// not notice by itself that one has moved.
  void refresh_gateways();
  /// See WayTable.
  [[nodiscard]] bool is_routed(const Prefix& network, unsigned interface) const
  {
    return table_.is_routed(network, interface);
  }

private:
  void read_all();
  void try_again(const std::string& reason);
  [[nodiscard]] std::vector<HostRoute> read_routes(Family family);
  void note_changes();
  void apply();
  void apply_exempt(const std::set<Prefix>& exempt);
  /// False: they do not all fit.
  bool add_exempt(const std::set<Prefix>& exempt);
  void erase_exempt(const std::set<Prefix>& but);
  void close();
  void apply_ipv6();

  Look look_;
  WayTable table_;
  ExternalLink link_;
  NatTable<nat_route_key, nat_route> routes_;
  NatTable<nat_route_key, std::uint32_t> exempt_;
  NatTable<nat_route6_key, nat_route> routes6_;
  std::map<Prefix, nat_route> applied_routes_;
  std::map<Prefix, nat_route> applied_routes6_;
  std::set<Prefix> applied_exempt_;
  bool is_closed_ = false; ///< for want of room, but for what is in `applied_exempt_`
  RouteEvents changes_;
  RouteSocket reader_;
  std::set<IpAddress> asked_; ///< neighbours, since `asked_since_`
  std::map<Asker, unsigned> asked_by_;
  TimePoint asked_since_{};
  Clock::duration reading_time_{}; ///< of all routes, last
  Timer settled_;
  std::string complaint_; ///< what the log says about the last attempt
  Watch watch_;
};

} // namespace slirpstack
