#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace slirpstack {

/// What is answered over the control socket: members stand in the order in which they were added.
using Json = nlohmann::ordered_json;

/// An answer as one line without its newline. Bytes that are not UTF-8 (a path can have some) are
/// replaced.
[[nodiscard]] std::string line_of(const Json& answer);

} // namespace slirpstack
