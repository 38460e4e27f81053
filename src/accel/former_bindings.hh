#pragma once

#include "accel/flow_sessions.hh"
#include "accel/nat_bindings.hh"
#include "accel/nat_object.hh"
#include "accel/nat_table.hh"
#include "base/clock.hh"
#include "slirpstack/nat_map.h"

#include <functional>

namespace slirpstack {

/// What a predecessor has left in maps that are pinned. It goes where its successor has other
/// plans, until that has taken over the rest. All functions throw std::system_error.
class FormerBindings
{
public:
  /// Whether an external endpoint is the successor's by now.
  using IsOurs = std::function<bool(const nat_endpoint& external)>;

  /// `sessions` must outlive this.
  FormerBindings(const NatObject& object, FlowSessions& sessions);

  /// Ends forwards, and what was kept for sockets of the host, but for those that are ours. Nothing
  /// gives way any more.
  void end_fixed(const IsOurs& is_ours, TimePoint now);
  /// Ends the binding that has that external endpoint, or what keeps it for a socket of the host.
  /// False: there is neither.
  bool evict(const nat_endpoint& external, TimePoint now);
  /// Ends the binding of that internal endpoint. False: there is none.
  bool evict_internal(const nat_endpoint& internal, TimePoint now);

private:
  void end_statics(const IsOurs& is_ours, TimePoint now);
  void end_reservations(const IsOurs& is_ours, TimePoint now);
  void end(const std::vector<BoundEndpoints>& bindings, TimePoint now);
  void discharge(const nat_endpoint& internal);

  NatBindings both_;
  NatTable<nat_endpoint, nat_binding> bindings_;
  NatTable<nat_endpoint, nat_owner> owners_;
  NatTable<nat_subscriber_key, nat_subscriber> subscribers_;
  NatTable<nat_subscriber_key, std::uint32_t> released_;
  FlowSessions& sessions_;
  bool give_way_ = true;
};

} // namespace slirpstack
