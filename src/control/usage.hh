#pragma once

#include <string>
#include <string_view>

namespace slirpstack {

/// What stands before the words of a request when it is typed.
inline constexpr std::string_view CONTROL_PROGRAM = "slirpstack ctl SOCKET";

/// What `slirpstack ctl -h` prints: every command with its arguments.
[[nodiscard]] std::string control_help();

/// The commands that begin with `noun`, in one line as they are typed after `program`:
/// `slirpstack ctl SOCKET rules list | rules reload`. Empty if there are none.
[[nodiscard]] std::string usage_of(std::string_view noun, std::string_view program);

/// Whether commands begin with this word.
[[nodiscard]] bool is_command_noun(std::string_view word);

} // namespace slirpstack
