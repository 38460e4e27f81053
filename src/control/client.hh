#pragma once

#include <span>
#include <string>

namespace slirpstack {

/// `slirpstack ctl PATH WORDS…`: asks the process behind a control socket, prints its answer and
/// returns the exit status: 0, or 1 where the answer is no. Throws UsageError for words that are no
/// request, std::system_error when nobody can be asked.
[[nodiscard]] int run_control_client(std::span<const std::string> arguments);

} // namespace slirpstack
