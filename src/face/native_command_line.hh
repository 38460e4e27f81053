#pragma once

#include "face/config.hh"

#include <span>
#include <string>

namespace slirpstack {

/// The command line of the program under its own name, without that name. Pure: looks at no
/// file, descriptor or environment. Throws UsageError: one line that names the option, the value
/// and what would be right.
[[nodiscard]] Config parse_command_line(std::span<const std::string> arguments);

/// What `-help` prints, in the program's own manner.
[[nodiscard]] std::string help_text();

} // namespace slirpstack
