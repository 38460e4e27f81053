#pragma once

#include <span>
#include <string>
#include <string_view>

namespace slirpstack {

/// One row of a face's option table: what the parser, the help text and the man page's test need.
struct Option
{
  /// Heading of the help text; the rows of a group stand together.
  std::string_view group;
  /// Without a dash, at least two characters.
  std::string_view name;
  /// What stands for the value in the help text; empty: a boolean.
  std::string_view placeholder;
  std::string_view summary;
  /// In the form that a user would type; empty: none.
  std::string_view default_value = {};
  /// A one-letter name for the same option, or '\0'.
  char letter = '\0';
  /// May be given several times, each of them counting.
  bool repeats = false;

  [[nodiscard]] bool is_boolean() const { return placeholder.empty(); }
  /// Whether `typed` (without dashes) is this option's name or letter.
  [[nodiscard]] bool is_called(std::string_view typed) const;
};

/// The options as lines of at most 80 columns under their headings:
/// `  -mtu N                     largest packet`.
[[nodiscard]] std::string describe(std::span<const Option> options);

} // namespace slirpstack
