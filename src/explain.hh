#pragma once

#include "face/config.hh"

namespace slirpstack {

/// `slirpstack explain`: prints what the configuration's rules and options say of the flow that it
/// asks about, here and now, for each address of its destination. Returns the exit status: 0 if all
/// are allowed, else 1. Throws UsageError.
[[nodiscard]] int explain_flow(const Config& config);

} // namespace slirpstack
