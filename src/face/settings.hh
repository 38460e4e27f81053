#pragma once

#include "face/config.hh"
#include "face/option_values.hh"

namespace slirpstack {

/// Turns the values of the native options into `config`. Each is looked at by itself; whether
/// they go together is parse_command_line()'s question. Throws UsageError.
void apply(const OptionValues& values, Config& config);

} // namespace slirpstack
