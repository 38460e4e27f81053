#pragma once

#include <string>
#include <string_view>

namespace slirpstack {

/// Quotes, backslashes and control characters escaped as in Go and C, so that the text stays on
/// one line.
[[nodiscard]] std::string escaped(std::string_view text);

/// Go's %q: the same in double quotes.
[[nodiscard]] std::string quoted(std::string_view text);

} // namespace slirpstack
