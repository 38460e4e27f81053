#pragma once

#include "accel/nat_bindings.hh"
#include "accel/nat_object.hh"
#include "accel/nat_table.hh"
#include "base/clock.hh"
#include "slirpstack/nat_map.h"

#include <functional>

namespace slirpstack {

/// What a predecessor has left in maps that are pinned. It goes where its successor has other
/// plans. All functions throw std::system_error.
class FormerBindings
{
public:
  /// Whether an external endpoint is the successor's by now.
  using IsOurs = std::function<bool(const nat_endpoint& external)>;

  explicit FormerBindings(const NatObject& object);

  /// Ends forwards, but for those that are ours.
  void end_statics(const IsOurs& is_ours, TimePoint now);
  /// Ends what was kept for sockets of the host, likewise.
  void end_reservations(const IsOurs& is_ours, TimePoint now);
  /// Ends the binding that has that external endpoint, or what keeps it for a socket of the host.
  /// False: there is neither.
  bool evict(const nat_endpoint& external, TimePoint now);
  /// Ends the binding of that internal endpoint. False: there is none.
  bool evict_internal(const nat_endpoint& internal, TimePoint now);
  /// Ends the sessions through an external endpoint.
  void end_sessions_of(const nat_endpoint& external);

private:
  void end(const nat_endpoint& internal, const nat_endpoint& external, TimePoint now);
  void discharge(const nat_endpoint& internal);

  NatBindings both_;
  NatTable<nat_endpoint, nat_binding> bindings_;
  NatTable<nat_endpoint, nat_owner> owners_;
  NatTable<nat_session_key, nat_session> sessions_;
  NatTable<nat_subscriber_key, nat_subscriber> subscribers_;
  NatTable<nat_subscriber_key, std::uint32_t> released_;
};

} // namespace slirpstack
