#pragma once

#include "face/config.hh"

#include <string_view>

namespace slirpstack {

/// Where metrics are answered: `tcp://IP:PORT`, `tcp://localhost:PORT`, `unix:PATH` as in a
/// forward, or `unix://PATH`. slirpnetstack knows only the last of these for a Unix socket, and its
/// path may be relative. Throws BadValue.
[[nodiscard]] StreamAddress parse_metrics_address(std::string_view text, Config::Manner manner);

} // namespace slirpstack
