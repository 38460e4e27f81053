#pragma once

#include "face/config.hh"

#include <span>
#include <string>

namespace slirpstack {

/// The command line of the program under its own name, without that name. Pure: looks at no
/// file, descriptor or environment. Throws UsageError: one line that names the option, the value
/// and what would be right.
[[nodiscard]] Config parse_command_line(std::span<const std::string> arguments);
[[nodiscard]] Config parse_command_line(int argc, const char* const* argv);

/// Throws UsageError unless each descriptor that `config` names is open and fit for its use.
void check_descriptors(const Config& config);

/// Throws UsageError unless each source address that `config` names is this host's.
void check_sources(const Config& config);

/// What `-help` prints.
[[nodiscard]] std::string help_text();
/// What `-version` prints, without its newline: `slirpstack version X`.
[[nodiscard]] std::string version_text();

} // namespace slirpstack
