#pragma once

#include <string_view>

namespace slirpstack {

/// The line at the front of `text`, which loses it, without its end; lines may end as on Windows.
/// The last one needs no end. `text` must not be empty, or there would be no end of lines.
[[nodiscard]] std::string_view take_line(std::string_view& text);

} // namespace slirpstack
