#pragma once

#include "accel/guest_shares.hh"
#include "accel/nat_bindings.hh"
#include "accel/nat_endpoints.hh"
#include "accel/nat_object.hh"
#include "accel/nat_table.hh"
#include "base/clock.hh"
#include "flow/flow_key.hh"

#include <set>

namespace slirpstack {

/// The kernel's table of sessions, as far as policy fills it: what lets the packets of a flow pass,
/// and how much of the table each guest has. All functions throw std::system_error.
class FlowSessions
{
public:
  /// Of what a predecessor has allowed nothing is allowed any more.
  FlowSessions(const NatObject& object, const GuestShares::Limits& limits);

  /// `guest`, whose flows are to come, must be detached before it goes.
  void attach(const GuestFlows& guest) { shares_.add(guest); }
  void detach(const GuestFlows& guest) { shares_.remove(guest); }

  /// Whether the guest may have one more flow, by its share. For that it gives up connections that
  /// it has ended.
  [[nodiscard]] bool make_room_for(const GuestFlows& guest);
  /// Allows a flow of that guest, whose endpoint is `external` outside. False: the table is full,
  /// also without what the guest has ended.
  [[nodiscard]] bool add(const nat_settings& settings,
                         const nat_endpoint& external,
                         const FlowKey& flow,
                         const GuestFlows& guest,
                         TimePoint now);
  [[nodiscard]] bool has(const nat_endpoint& external, const Endpoint& remote) const
  {
    return table_.find(map_session(external, remote)).has_value();
  }
  void end(const nat_endpoint& external, const FlowKey& flow);
  /// Ends all through these external endpoints, whoever made them. Goes through the whole table
  /// once.
  void end_all_of(const std::set<nat_endpoint, NatEndpointOrder>& externals);
  /// Ends what is left of connections that the guest has ended.
  void end_released(const GuestFlows& guest);

  /// The guest's connection has been ended by both sides: its place as a flow is free.
  void on_closed(const nat_session_key& session, const GuestFlows& guest);
  /// It is gone.
  void on_ended(const nat_session_key& session) { shares_.remove_ended(session); }

private:
  [[nodiscard]] bool try_add(const nat_settings& settings,
                             const nat_endpoint& external,
                             const FlowKey& flow,
                             TimePoint now);
  void disallow_all();
  void allow(const nat_session_key& key);
  void end(const nat_session_key& session);
  bool end_oldest_released(const GuestFlows& guest);

  NatBindings bindings_;
  NatTable<nat_session_key, nat_session> table_;
  GuestShares shares_;
};

} // namespace slirpstack
