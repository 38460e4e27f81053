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
  std::string_view group;
  for (const Option& option : options) {
    if (option.group != group) {
      group = option.group;
      text += fmt::format("{}{}:\n", text.empty() ? "" : "\n", group);
    }
    const std::string note
      = option.default_value.empty() ? "" : fmt::format(" (default {})", option.default_value);
    text += fmt::format("  {:<26} {}{}\n", usage_of(option), option.summary, note);
  }
  return text;
}

} // namespace slirpstack
