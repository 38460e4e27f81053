#pragma once

#include "accel/nat_accelerator.hh"
#include "frame.hh"
#include "slirpstack/nat_map.h"
#include "wire/address.hh"

#include <chrono>
#include <cstdint>

namespace slirpstack::test {

/// A forward of the running NAT: `port` of the external address is the first guest's `internal`.
void add_forward(const NatAccelerator& nat,
                 std::uint8_t protocol,
                 std::uint16_t port,
                 const Endpoint& internal);

/// Packets that the NAT has counted under a name.
[[nodiscard]] std::uint64_t counted(const NatAccelerator& nat, nat_statistic statistic);

} // namespace slirpstack::test
