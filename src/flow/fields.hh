#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace slirpstack {

/// The fields of `text`, at least one: what lies between separators that stand outside of
/// brackets, which keep an IPv6 address together. Nothing if the brackets do not pair.
[[nodiscard]] std::optional<std::vector<std::string_view>> split_fields(std::string_view text,
                                                                        char separator);

/// A field in brackets without the outermost pair; any other as it is.
[[nodiscard]] std::string_view strip_brackets(std::string_view field);

} // namespace slirpstack
