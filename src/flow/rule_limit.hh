#pragma once

#include "flow/rule.hh"

#include <optional>
#include <string_view>

namespace slirpstack {

/// An option of a rule that limits its flows by a number.
struct LimitOption
{
  std::string_view word;
  std::optional<std::uint64_t> RuleLimits::*value;
  /// Far below what would overflow in a sum or product of the accounting.
  std::uint64_t most;
  bool is_size;           ///< K, M or G may follow the number
  bool is_rate;           ///< then `/s`
  std::string_view right; ///< what it must be, for an error

  /// Null: there is none that is called so.
  static const LimitOption* find(std::string_view word);
  /// Nothing: it is no number, 0, or too large.
  [[nodiscard]] std::optional<std::uint64_t> parse(std::string_view text) const;
};

} // namespace slirpstack
