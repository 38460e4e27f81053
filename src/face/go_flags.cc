#include "face/go_flags.hh"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <numeric>

namespace slirpstack {

namespace {

/// Go's strconv.ParseBool.
std::optional<bool> parse_bool(std::string_view text)
{
  static constexpr std::array<std::string_view, 6> TRUE{"1", "t", "T", "true", "TRUE", "True"};
  static constexpr std::array<std::string_view, 6> FALSE{"0", "f", "F", "false", "FALSE", "False"};
  if (std::ranges::find(TRUE, text) != TRUE.end()) {
    return true;
  }
  if (std::ranges::find(FALSE, text) != FALSE.end()) {
    return false;
  }
  return std::nullopt;
}

/// One argument that begins with a dash, taken apart.
struct Typed
{
  std::string_view name;
  std::optional<std::string_view> value;
};

Typed take_apart(std::string_view argument)
{
  const std::string_view word = argument.substr(argument.starts_with("--") ? 2 : 1);
  if (word.empty() || word.front() == '-' || word.front() == '=') {
    throw UsageError(fmt::format("bad flag syntax: {}", escaped(argument)));
  }
  const std::size_t equals = word.find('=');
  if (equals == std::string_view::npos) {
    return {.name = word, .value = std::nullopt};
  }
  return {.name = word.substr(0, equals), .value = word.substr(equals + 1)};
}

std::string_view boolean_value(const Typed& typed)
{
  const std::optional<bool> value = parse_bool(typed.value.value_or("true"));
  if (!value) {
    throw BadBoolean(*typed.value, typed.name);
  }
  return *value ? "true" : "false";
}

bool is_flag(std::string_view argument)
{
  return argument.size() >= 2 && argument.front() == '-';
}

/// Levenshtein's distance, by rows.
std::size_t edit_distance(std::string_view from, std::string_view to)
{
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), 0U);
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < to.size(); ++j) {
      const std::size_t replaced = diagonal + (from[i] == to[j] ? 0U : 1U);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

} // namespace

UndefinedFlag::UndefinedFlag(std::string_view name)
  : UsageError(fmt::format("flag provided but not defined: -{}", escaped(name))), name_(name)
{}

BadBoolean::BadBoolean(std::string_view value, std::string_view name)
  : UsageError(
    fmt::format("invalid boolean value {} for -{}: must be true or false", quoted(value), name))
  , beginning_(fmt::format("invalid boolean value {} for -{}", quoted(value), name))
{}

std::string BadBoolean::in_go() const
{
  return fmt::format("{}: parse error", beginning_);
}

GoArguments split_go_arguments(std::span<const std::string> arguments,
                               std::span<const Option> options,
                               DoubleDash double_dash)
{
  GoArguments result;
  auto next = arguments.begin();
  while (next != arguments.end() && is_flag(*next)) {
    if (*next == "--") {
      ++next;
      break;
    }
    const Typed typed = take_apart(*next++);
    const auto option = std::ranges::find_if(
      options, [&](const Option& candidate) { return candidate.is_called(typed.name); });
    if (option == options.end()) {
      throw UndefinedFlag(typed.name);
    }
    std::string_view value;
    if (option->is_boolean()) {
      value = boolean_value(typed);
    } else if (typed.value) {
      value = *typed.value;
    } else if (next != arguments.end() && (*next != "--" || double_dash == DoubleDash::value)) {
      value = *next++;
    } else {
      throw UsageError(fmt::format("flag needs an argument: -{}", typed.name));
    }
    result.flags.push_back(fmt::format("--{}={}", option->name, value));
    result.typed.emplace_back(typed.name);
  }
  result.operands.assign(next, arguments.end());
  return result;
}

std::optional<std::string_view> nearest_name(std::string_view typed,
                                             std::span<const Option> options)
{
  constexpr std::size_t LONGEST_TYPED = 64; // a longer word is no slip of the finger
  std::optional<std::string_view> nearest;
  std::size_t least = std::min<std::size_t>(2, typed.size() / 2) + 1;
  for (const Option& option : options) {
    if (typed.size() > LONGEST_TYPED) {
      break;
    }
    const std::size_t distance = edit_distance(typed, option.name);
    if (distance < least) {
      least = distance;
      nearest = option.name;
    }
  }
  return nearest;
}

UsageError invalid_value(std::string_view value, std::string_view name, std::string_view reason)
{
  return UsageError(fmt::format("invalid value {} for flag -{}: {}", quoted(value), name, reason));
}

} // namespace slirpstack
