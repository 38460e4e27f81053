#include "face/option_values.hh"

#include <fmt/format.h>
#include <memory>

// Values are never split at commas. cxxopts' own matcher takes the place of std::regex, which
// overflows the stack on a long value and stops at a newline. No other file includes cxxopts, so
// these cannot differ between files.
#define CXXOPTS_VECTOR_DELIMITER '\0'
#define CXXOPTS_NO_REGEX
#include <cxxopts.hpp>

namespace slirpstack {

namespace {

std::shared_ptr<cxxopts::Value> value_of(const Option& option)
{
  if (option.is_boolean()) {
    return cxxopts::value<bool>();
  }
  if (option.repeats) {
    return cxxopts::value<std::vector<std::string>>();
  }
  return cxxopts::value<std::string>()->default_value(std::string(option.default_value));
}

/// As the user is most likely to have typed it: by its letter, if it has one.
std::string shown_name(const Option& option)
{
  return option.letter == '\0' ? std::string(option.name) : std::string(1, option.letter);
}

} // namespace

OptionValues::OptionValues(const std::vector<std::string>& flags,
                           std::span<const Option> options,
                           const std::vector<std::string>& typed)
{
  cxxopts::Options definitions("slirpstack");
  auto add = definitions.add_options();
  for (const Option& option : options) {
    add(std::string(option.name), std::string(option.summary), value_of(option));
  }
  std::vector<const char*> argv{"slirpstack"};
  for (const std::string& flag : flags) {
    argv.push_back(flag.c_str());
  }
  const cxxopts::ParseResult parsed = definitions.parse(static_cast<int>(argv.size()), argv.data());
  const auto names_of = [&](const Option& option) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < flags.size(); ++i) {
      if (flags[i].starts_with(fmt::format("--{}=", option.name))) {
        names.push_back(typed.empty() ? shown_name(option) : typed[i]);
      }
    }
    return names;
  };
  for (const Option& option : options) {
    const std::string name(option.name);
    const cxxopts::OptionValue& value = parsed[name];
    if (option.repeats) {
      values_[name] = {.is_typed = value.count() > 0,
                       .each = value.count() > 0 ? value.as<std::vector<std::string>>()
                                                 : std::vector<std::string>(),
                       .names = names_of(option)};
      continue;
    }
    values_[name] = {.text = option.is_boolean() ? (value.as<bool>() ? "true" : "false")
                                                 : value.as<std::string>(),
                     .is_typed = value.count() > 0,
                     .each = {},
                     .names = names_of(option)};
  }
}

bool OptionValues::has(std::string_view name) const
{
  const Value* const given = find(name);
  return given != nullptr && given->is_typed && !given->text.empty();
}

bool OptionValues::is_typed(std::string_view name) const
{
  const Value* const given = find(name);
  return given != nullptr && given->is_typed;
}

bool OptionValues::is_set(std::string_view name) const
{
  const Value* const given = find(name);
  return given != nullptr && given->text == "true";
}

const OptionValues::Value* OptionValues::find(std::string_view name) const
{
  const auto found = values_.find(name);
  return found == values_.end() ? nullptr : &found->second;
}

} // namespace slirpstack
