#pragma once

#include <optional>
#include <string_view>

namespace slirpstack {

/// The character at the front of `text`, which loses it. Nothing if there is none, or no UTF-8
/// (RFC 3629): overlong forms, surrogates and what is beyond U+10FFFF are refused.
[[nodiscard]] std::optional<char32_t> take_utf8(std::string_view& text);

} // namespace slirpstack
