#pragma once

#include "accel/nat_bindings.hh"
#include "accel/nat_endings.hh"
#include "accel/nat_endpoints.hh"
#include "accel/nat_object.hh"
#include "accel/nat_table.hh"
#include "accel/nat_timeouts.hh"
#include "slirpstack/nat_map.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <unordered_set>
#include <vector>

namespace slirpstack {

/// Ends bindings and sessions that have been silent too long. The programs in the kernel only note
/// times; a timer there would cost each packet more than its translation. What a guest sends is
/// noted up to NatTimeouts::lag() late, so everything lasts that much longer than its timeout.
class NatExpiry
{
public:
  using Timeouts = NatTimeouts;

  struct Swept
  {
    std::size_t bindings = 0; ///< ended now
    std::size_t sessions = 0;
    std::size_t ports = 0; ///< free again
    /// Still there, of all three: while it is not 0 there will be more to sweep.
    std::size_t left = 0;
  };
  /// A binding has ended: its internal and its external endpoint.
  using OnEnded = std::function<void(const nat_endpoint& internal, const nat_endpoint& external)>;

  /// `maker`, which must outlive this, has made the bindings; null: the kernel has (NAT_ALLOCATE).
  NatExpiry(const NatObject& object,
            const Timeouts& timeouts,
            OnEnded on_ended = {},
            NatEndings* maker = nullptr);

  /// Ends these bindings, and all sessions through them. Throws std::system_error.
  void end(const std::vector<BoundEndpoints>& bindings, std::chrono::nanoseconds now);
  /// Begins to go through all entries, or goes on with some thousands of them: with a million, all
  /// in one turn would keep everybody waiting. At the end tells what that has done. `now` is
  /// CLOCK_MONOTONIC's time. Throws std::system_error; the next call begins anew.
  std::optional<Swept> step(std::chrono::nanoseconds now);
  /// All of it in one turn. Throws std::system_error.
  Swept sweep(std::chrono::nanoseconds now);

private:
  using Endpoints = std::set<nat_endpoint, NatEndpointOrder>;

  enum class Phase
  {
    sessions,
    bindings,
    ports,
    orphans, ///< sessions through ports that rest
    subscribers,
    over,
  };
  struct Resting
  {
    std::uint64_t since = 0;
    nat_endpoint external{};
  };
  /// One that goes on.
  struct Sweep
  {
    Phase phase = Phase::sessions;
    NatTable<nat_session_key, nat_session>::Cursor sessions;
    NatTable<nat_endpoint, nat_binding>::Cursor bindings;
    NatTable<nat_endpoint, nat_owner>::Cursor ports;
    NatTable<nat_session_key, nat_session>::Cursor orphans;
    NatTable<nat_subscriber_key, nat_subscriber>::Cursor subscribers;
    /// External endpoints with a TCP connection.
    std::unordered_set<std::uint64_t> connected;
    Endpoints at_rest;
    std::vector<Resting> resting;
    std::uint32_t visitors_come = 0; ///< when it began
    std::uint32_t visitors_here = 0;
    Swept swept;
  };

  [[nodiscard]] Sweep begin() const;
  void advance(Sweep& sweep, std::chrono::nanoseconds now);
  void sweep_sessions(Sweep& sweep, std::chrono::nanoseconds now);
  void sweep_bindings(Sweep& sweep, std::chrono::nanoseconds now);
  void sweep_ports(Sweep& sweep);
  void sweep_orphans(Sweep& sweep);
  void free_ports(Sweep& sweep, std::chrono::nanoseconds now);
  [[nodiscard]] bool is_at_rest(const nat_endpoint& external) const;
  void end_sessions_through(const Endpoints& externals);
  void forget_subscribers(Sweep& sweep);
  void end_session(const nat_session_key& session);
  void end_binding(const BoundEndpoints& binding, std::chrono::nanoseconds now);

  Timeouts timeouts_;
  OnEnded on_ended_;
  NatEndings* maker_;
  NatBindings both_; ///< the two maps that follow
  NatTable<nat_endpoint, nat_binding> bindings_;
  NatTable<nat_endpoint, nat_owner> owners_;
  NatTable<nat_session_key, nat_session> sessions_;
  NatTable<std::uint32_t, std::uint32_t> visitors_;
  NatTable<nat_subscriber_key, nat_subscriber> subscribers_;
  NatTable<nat_subscriber_key, std::uint32_t> released_;
  std::optional<Sweep> sweep_;
};

} // namespace slirpstack
