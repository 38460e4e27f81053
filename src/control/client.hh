#pragma once

#include <span>
#include <string>
#include <string_view>

namespace slirpstack {

/// Where `slnat` asks unless SLIRPSTACK_CONTROL says otherwise.
inline constexpr std::string_view DEFAULT_CONTROL_PATH = "/run/slirpstack/map.sock";

/// `slirpstack ctl SOCKET WORDS…`: asks the process behind a control socket, prints its answer and
/// returns the exit status: 0, or 1 where the answer is no. Throws UsageError for words that are no
/// request, std::system_error when nobody can be asked.
/// An empty SOCKET is the one in SLIRPSTACK_CONTROL, or the default. `program` stands before what
/// goes to standard error.
[[nodiscard]] int run_control_client(std::span<const std::string> arguments,
                                     std::string_view program);

} // namespace slirpstack
