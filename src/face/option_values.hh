#pragma once

#include "face/go_flags.hh"
#include "face/option.hh"
#include "face/values.hh"

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace slirpstack {

/// What a command line gave each option of a table; of several values the last one counts. An
/// option that the table does not have is as if it was not given.
class OptionValues
{
public:
  /// `flags` is GoArguments::flags for the same `options`; `typed` its names, for mistakes to be
  /// told by, or empty: then by an option's letter, if it has one.
  OptionValues(const std::vector<std::string>& flags,
               std::span<const Option> options,
               const std::vector<std::string>& typed = {});

  /// Typed by the user, with a value that is not empty.
  [[nodiscard]] bool has(std::string_view name) const;
  /// Typed by the user, with whatever value.
  [[nodiscard]] bool is_typed(std::string_view name) const;
  /// A boolean's value.
  [[nodiscard]] bool is_set(std::string_view name) const;
  /// Runs `convert` on the option's text, typed or default; does nothing if there is neither.
  /// Throws UsageError with value and name before the reason of a BadValue.
  template<typename Convert>
  void read(std::string_view name, Convert convert) const;
  /// The same with each text of an option that repeats, in the order typed; empty ones too.
  template<typename Convert>
  void read_each(std::string_view name, Convert convert) const;

private:
  struct Value
  {
    std::string text;
    bool is_typed = false;
    std::vector<std::string> each;  ///< of an option that repeats
    std::vector<std::string> names; ///< what it was typed as, each time
  };

  /// Null: the table has no such option.
  [[nodiscard]] const Value* find(std::string_view name) const;

  std::map<std::string, Value, std::less<>> values_;
};

template<typename Convert>
void OptionValues::read(std::string_view name, Convert convert) const
{
  const Value* const given = find(name);
  if (given == nullptr || (given->text.empty() && !given->is_typed)) {
    return;
  }
  try {
    convert(std::string_view(given->text));
  } catch (const BadValue& bad) {
    throw invalid_value(given->text, given->names.empty() ? name : given->names.back(), bad.what());
  }
}

template<typename Convert>
void OptionValues::read_each(std::string_view name, Convert convert) const
{
  const Value* const given = find(name);
  if (given == nullptr) {
    return;
  }
  for (std::size_t i = 0; i < given->each.size(); ++i) {
    try {
      convert(std::string_view(given->each[i]));
    } catch (const BadValue& bad) {
      throw invalid_value(given->each[i], given->names[i], bad.what());
    }
  }
}

} // namespace slirpstack
