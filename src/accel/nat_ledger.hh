#pragma once

#include "accel/nat_ends.hh"
#include "accel/nat_object.hh"
#include "accel/nat_plan.hh"
#include "accel/nat_table.hh"
#include "slirpstack/nat_map.h"

#include <chrono>
#include <functional>
#include <optional>
#include <set>

namespace slirpstack {

/// The bindings in the maps, looked at as a whole. Each function goes through all entries and
/// throws std::system_error.
class NatLedger
{
public:
  explicit NatLedger(const NatObject& object);

  [[nodiscard]] std::size_t bindings() const;
  [[nodiscard]] std::size_t sessions() const;
  void for_each_binding(const std::function<void(const nat_endpoint& internal,
                                                 const nat_binding& binding)>& visit) const;

  // What a successor makes of maps that were pinned.

  /// Ends bindings that the plan does not have, or whose guest's zone is not among `zones`. `now`
  /// is CLOCK_MONOTONIC's time, when the quarantine of their ports begins. Returns how many are
  /// left.
  std::size_t keep_planned(const NatPlan& plan,
                           const std::set<unsigned>& zones,
                           std::chrono::nanoseconds now);
  /// The guests of a zone are behind another interface now; and have another Ethernet address, if
  /// one is given.
  void move_guests(unsigned zone, unsigned ifindex, const std::optional<MacAddress>& mac);

private:
  NatTable<nat_endpoint, nat_binding> bindings_;
  NatTable<nat_endpoint, nat_owner> owners_;
  NatTable<nat_session_key, nat_session> sessions_;
  NatEnds ends_;
};

} // namespace slirpstack
