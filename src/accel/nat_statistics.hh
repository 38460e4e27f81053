#pragma once

#include "accel/nat_object.hh"
#include "slirpstack/nat_map.h"

#include <array>
#include <string_view>

namespace slirpstack {

/// What a statistic of nat_map.h is called where people read it: `out`, `drop_quota`, …
[[nodiscard]] std::string_view statistic_name(nat_statistic statistic);

using NatStatistics = std::array<nat_count, NAT_STATISTICS>;

/// The sums over all processors. Throws std::system_error.
[[nodiscard]] NatStatistics read_statistics(const NatObject& object);

} // namespace slirpstack
