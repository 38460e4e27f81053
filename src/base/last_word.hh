#pragma once

#include <string_view>

namespace slirpstack {

/// Writes why the program ends, to standard error: `PROGRAM: WHAT` as text; in JSON an object as of
/// a line of the log, at level error. Never left out, whatever the level.
void write_last_word(std::string_view program, std::string_view what);

} // namespace slirpstack
