#include "face/option.hh"

#include <fmt/format.h>

namespace slirpstack {

namespace {

std::string usage_of(const Option& option)
{
  const std::string letter = option.letter == '\0' ? "" : fmt::format("-{}, ", option.letter);
  const std::string_view gap = option.is_boolean() ? "" : " ";
  return fmt::format("{}-{}{}{}", letter, option.name, gap, option.placeholder);
}

} // namespace

bool Option::is_called(std::string_view typed) const
{
  return typed == name || (letter != '\0' && typed == std::string_view(&letter, 1));
}

std::string describe(std::span<const Option> options)
{
  std::string text;
  constexpr std::size_t COLUMN = 26;
  std::string_view group;
  for (const Option& option : options) {
    if (option.group != group) {
      group = option.group;
      text += fmt::format("{}{}:\n", text.empty() ? "" : "\n", group);
    }
    const std::string note
      = option.default_value.empty() ? "" : fmt::format(" (default {})", option.default_value);
    const std::string usage = usage_of(option);
    // What is too long for its column stands alone in its line.
    const std::string gap = usage.size() > COLUMN ? fmt::format("\n{:{}}", "", COLUMN + 3) : " ";
    text += fmt::format("  {:<{}}{}{}{}\n", usage, COLUMN, gap, option.summary, note);
  }
  return text;
}

} // namespace slirpstack
