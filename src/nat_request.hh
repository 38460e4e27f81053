#pragma once

#include "accel/running_nat.hh"
#include "face/config.hh"

namespace slirpstack {

/// What the options ask of the NAT, on this host: with the external interface's own addresses and
/// free ports where they do not say. The hook is left. Throws UsageError, std::system_error.
[[nodiscard]] RunningNat::Settings nat_request(const Config& config);

} // namespace slirpstack
