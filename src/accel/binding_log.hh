#pragma once

#include "accel/nat_plan.hh"
#include "flow/port_pool.hh"
#include "slirpstack/nat_map.h"

#include <cstdint>
#include <set>

namespace slirpstack {

/// The log of who had which external port (RFC 6888 REQ-12): protocol, subscriber, external address
/// and port, and the time, which each line has; not the destination. With blocks it is one line for
/// all of an address's ports.
class BindingLog
{
public:
  /// `plan` must outlive this. If `is_kept` is false nothing is logged.
  BindingLog(const NatPlan& plan, bool is_kept) : plan_(plan), is_kept_(is_kept) {}

  [[nodiscard]] bool is_kept() const { return is_kept_; }
  void bound(const nat_endpoint& internal, const nat_endpoint& external);
  void ended(const nat_endpoint& internal, const nat_endpoint& external) const;
  /// The same of a forward, whose port is in no block of its subscriber's that a line tells of.
  void forwarded(const nat_endpoint& internal, const nat_endpoint& external, bool is_bound) const;
  /// Where user space binds, its pool tells of blocks.
  static void block(const PortBlock& block, bool is_assigned);
  /// The external addresses are others now.
  void begin_anew() { logged_blocks_.clear(); }

private:
  const NatPlan& plan_;
  bool is_kept_;
  std::set<std::uint64_t> logged_blocks_;
};

} // namespace slirpstack
