#pragma once

#include "face/config.hh"
#include "flow/name_resolver.hh"
#include "host/loop.hh"

namespace slirpstack {

/// The configuration with the names of its source addresses looked up; runs the loop meanwhile. In
/// slirpnetstack's manner a name in `-allow` or `-deny` without an address is a mistake, too.
/// Throws UsageError, StartError.
[[nodiscard]] Config with_names(const Config& config, Loop& loop, NameResolver& names);

} // namespace slirpstack
