#pragma once

#include "face/config.hh"
#include "face/option_values.hh"

namespace slirpstack {

/// Reads the options about prefix mapping. Throws UsageError.
void apply_map_options(const OptionValues& values, Config& config);

/// `PATH:INTERNAL/LENGTH[,…][=EXTERNAL/LENGTH[,…][,open]]`. Throws BadValue.
[[nodiscard]] Config::RestrictedSocket parse_restricted_socket(std::string_view text);

} // namespace slirpstack
