#pragma once

#include "flow/forward_spec.hh"

#include <string>
#include <string_view>

namespace slirpstack {

/// What the author of a forward's text probably meant, where a port of it is none: `; address,
/// port and guest port is 0.0.0.0:8080::80`. Empty: who knows. Never throws.
[[nodiscard]] std::string forward_hint(ForwardDirection direction, std::string_view text);

} // namespace slirpstack
