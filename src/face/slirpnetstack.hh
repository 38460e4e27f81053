#pragma once

#include "face/config.hh"
#include "face/option.hh"

#include <span>
#include <string>
#include <string_view>

namespace slirpstack {

// The command line and the defaults of slirpnetstack, for whoever starts the program under that
// name.

[[nodiscard]] std::span<const Option> slirpnetstack_options();

/// Arguments without the program's name. Throws UsageError with Go's text, and StartError where
/// slirpnetstack has an exit status of its own for a mistake.
[[nodiscard]] Config parse_slirpnetstack(std::span<const std::string> arguments);

/// What Go's flag package prints: `Usage of PROGRAM:` and the flags.
[[nodiscard]] std::string slirpnetstack_usage(std::string_view program);
/// Version and build time, without the last newline.
[[nodiscard]] std::string slirpnetstack_version();

} // namespace slirpstack
