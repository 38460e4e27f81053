#pragma once

#include "face/config.hh"

#include <span>
#include <string>
#include <system_error>

namespace slirpstack {

// The manners of the program: which one its name asks for, and what each has to say.

/// The command line in the manner of the name that the program was started under, argv[0]. Pure:
/// looks at no file, descriptor or environment. Throws UsageError: one line that names the option,
/// the value and what would be right.
[[nodiscard]] Config parse_command_line(int argc, const char* const* argv);
/// Whose manners a program with this argv[0] has.
[[nodiscard]] Config::Manner manner_of(std::string_view program);

/// What stands before an error: `slirpstack`, `slnat`.
[[nodiscard]] std::string_view program_name(Config::Manner manner);

/// Prints what the manner of `config` has to say to `-help`, where it says it. `program` is
/// argv[0].
void print_help(const Config& config, std::string_view program);
/// Tells of a mistake in the command line, in the manner of that argv[0].
void print_usage_error(std::string_view program, std::string_view mistake);
/// The format that a command line with a mistake in it seems to ask for.
[[nodiscard]] LogFormat typed_log_format(std::span<const std::string> arguments);
/// What could help against an error at the start, in brackets, to follow it; or nothing.
[[nodiscard]] std::string remedy_of(const Config& config, const std::error_code& error);
/// What `-version` prints, without its last newline: `slirpstack version X`.
[[nodiscard]] std::string version_text(const Config& config);

} // namespace slirpstack
