#pragma once

#include "face/option.hh"

#include <span>

namespace slirpstack {

/// The options of the program under its own name, in the order of its help text.
[[nodiscard]] std::span<const Option> native_options();

} // namespace slirpstack
