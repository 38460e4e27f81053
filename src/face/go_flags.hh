#pragma once

#include "base/error.hh"
#include "base/quoted.hh"
#include "face/option.hh"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace slirpstack {

/// A command line read as Go's `flag` package reads it: `-x` is `--x`; `-x=v` or `-x v`; booleans
/// only `-b` or `-b=true`; the first operand or `--` ends the flags. cxxopts knows none of this
/// (`-netns a` is `-n etns` to it), so it is given `flags` and never what was typed.
struct GoArguments
{
  /// `--name=value` each, in the order typed; a letter replaced by its name, a boolean's value by
  /// `true` or `false`.
  std::vector<std::string> flags;
  /// Of each of the flags, the name that was typed, without dashes.
  std::vector<std::string> typed;
  /// What follows the flags, untouched.
  std::vector<std::string> operands;
};

/// Go's `flag provided but not defined: -NAME`.
class UndefinedFlag : public UsageError
{
public:
  explicit UndefinedFlag(std::string_view name);

  /// Without dashes.
  [[nodiscard]] const std::string& name() const { return name_; }

private:
  std::string name_;
};

/// A boolean's value that is none. what() ends in what would be right.
class BadBoolean : public UsageError
{
public:
  BadBoolean(std::string_view value, std::string_view name);

  /// Go's text, which says only that it is wrong.
  [[nodiscard]] std::string in_go() const;

private:
  std::string beginning_;
};

/// What `--` is where a flag's value is due.
enum class DoubleDash
{
  value, ///< as in Go
  end,   ///< the end of the flags: the value was forgotten
};

/// Splits `arguments` (without the program's name). Throws UndefinedFlag, BadBoolean, or UsageError
/// with the text that a Go program would print.
[[nodiscard]] GoArguments split_go_arguments(std::span<const std::string> arguments,
                                             std::span<const Option> options,
                                             DoubleDash double_dash = DoubleDash::value);

/// The name of an option that `typed` was probably meant to be: at most two edits away, and at
/// most half of the word changed.
[[nodiscard]] std::optional<std::string_view> nearest_name(std::string_view typed,
                                                           std::span<const Option> options);

/// Go's `invalid value "VALUE" for flag -NAME: REASON`.
[[nodiscard]] UsageError invalid_value(std::string_view value,
                                       std::string_view name,
                                       std::string_view reason);

} // namespace slirpstack
