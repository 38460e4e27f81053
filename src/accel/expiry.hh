#pragma once

#include "accel/nat_bindings.hh"
#include "accel/nat_endings.hh"
#include "accel/nat_endpoints.hh"
#include "accel/nat_object.hh"
#include "accel/nat_table.hh"
#include "slirpstack/nat_map.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <unordered_set>
#include <vector>

namespace slirpstack {

/// Ends bindings and sessions that have been silent too long. The programs in the kernel only note
/// times; a timer there would cost each packet more than its translation. What a guest sends is
/// noted up to NAT_RECENT_NS late, so everything lasts that much longer than its timeout.
class NatExpiry
{
public:
  struct Timeouts
  {
    std::chrono::seconds udp{300};              ///< RFC 4787 REQ-5
    std::chrono::seconds tcp_established{7440}; ///< RFC 5382 REQ-5
    std::chrono::seconds tcp_opening{240};      ///< RFC 7857 section 2.1
    std::chrono::seconds tcp_closing{240};      ///< also after a RST (RFC 7857 section 2.2)
    std::chrono::seconds icmp{60};              ///< RFC 5508 REQ-2
    std::chrono::seconds quarantine{120};       ///< RFC 6888 REQ-8
    /// Of more ports that rest the oldest are free at once; 0: any number may rest.
    std::size_t quarantine_ports = 0;
  };

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
  /// Goes through all entries once. `now` is CLOCK_MONOTONIC's time. Throws std::system_error.
  Swept sweep(std::chrono::nanoseconds now);

private:
  using Endpoints = std::set<nat_endpoint, NatEndpointOrder>;

  [[nodiscard]] std::chrono::seconds session_timeout(const nat_session_key& key,
                                                     const nat_session& session) const;
  [[nodiscard]] std::chrono::seconds binding_timeout(std::uint8_t protocol) const;
  std::size_t sweep_sessions(std::chrono::nanoseconds now);
  void count_visitors(std::uint32_t come, std::uint32_t here);
  std::size_t sweep_bindings(std::chrono::nanoseconds now);
  struct Resting
  {
    std::uint64_t since = 0;
    nat_endpoint port{};
  };
  [[nodiscard]] std::vector<nat_endpoint> take_oldest(std::vector<Resting>& resting) const;
  std::size_t free_ports(std::chrono::nanoseconds now);
  std::size_t end_sessions_through(const Endpoints& externals);
  void forget_subscribers();
  void end_session(const nat_session_key& session);
  void end_binding(const BoundEndpoints& binding, std::chrono::nanoseconds now);

  Timeouts timeouts_;
  OnEnded on_ended_;
  NatEndings* maker_;
  std::size_t left_ = 0;
  NatBindings both_; ///< the two maps that follow
  NatTable<nat_endpoint, nat_binding> bindings_;
  NatTable<nat_endpoint, nat_owner> owners_;
  NatTable<nat_session_key, nat_session> sessions_;
  NatTable<std::uint32_t, std::uint32_t> visitors_;
  NatTable<nat_subscriber_key, nat_subscriber> subscribers_;
  NatTable<nat_subscriber_key, std::uint32_t> released_;
  /// External endpoints with a TCP connection, of the sweep that goes on.
  std::unordered_set<std::uint64_t> connected_;
};

} // namespace slirpstack
