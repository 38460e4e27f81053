#pragma once

#include "accel/nat_plan.hh"
#include "flow/port_pool.hh"

namespace slirpstack {

/// The plan's external addresses with their ports, none of them taken. Where the kernel binds by
/// itself only forwards have theirs from it. `is_shared`: by several guests.
[[nodiscard]] PortPool planned_pool(const NatPlan& plan, bool is_shared);

/// Whether a pool has room for all of the plan's addresses.
[[nodiscard]] bool fits_pool(const NatPlan& plan);

} // namespace slirpstack
