#pragma once

#include "face/config.hh"

namespace slirpstack {

// What a command line alone cannot tell: whether this process and this host have what it names.

/// Throws UsageError unless each descriptor that `config` names is open and fit for its use.
void check_descriptors(const Config& config);

/// Throws UsageError unless each source address that `config` names is this host's.
void check_sources(const Config& config);

} // namespace slirpstack
