#include "face/option_values.hh"

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

/// Whether `flag`, one of GoArguments::flags, gives `option` a value.
bool names(std::string_view flag, const Option& option)
{
  flag.remove_prefix(2);
  return flag.starts_with(option.name) && flag.substr(option.name.size()).starts_with('=');
}

} // namespace

OptionValues::OptionValues(const std::vector<std::string>& flags,
                           std::span<const Option> options,
                           const std::vector<std::string>& typed)
{
  // cxxopts is told of the options that were typed: the whole table takes it longer than the rest
  // of a command line takes.
  cxxopts::Options definitions("slirpstack");
  auto add = definitions.add_options();
  std::vector<const Option*> given;
  for (const Option& option : options) {
    Value& value = values_[std::string(option.name)];
    value.text = option.is_boolean() ? "false" : option.default_value;
    for (std::size_t i = 0; i < flags.size(); ++i) {
      if (names(flags[i], option)) {
        value.names.push_back(typed.empty() ? shown_name(option) : typed[i]);
      }
    }
    if (!value.names.empty()) {
      add(std::string(option.name), std::string(option.summary), value_of(option));
      given.push_back(&option);
    }
  }
  std::vector<const char*> argv{"slirpstack"};
  for (const std::string& flag : flags) {
    argv.push_back(flag.c_str());
  }
  const cxxopts::ParseResult parsed = definitions.parse(static_cast<int>(argv.size()), argv.data());
  for (const Option* const option : given) {
    const std::string name(option->name);
    const cxxopts::OptionValue& read = parsed[name];
    Value& value = values_[name];
    value.is_typed = true;
    if (option->repeats) {
      value.each = read.as<std::vector<std::string>>();
    } else if (option->is_boolean()) {
      value.text = read.as<bool>() ? "true" : "false";
    } else {
      value.text = read.as<std::string>();
    }
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
