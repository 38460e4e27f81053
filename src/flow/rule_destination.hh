#pragma once

#include "flow/rule.hh"

#include <optional>
#include <string_view>

namespace slirpstack {

/// `[PROTOCOL://]HOST[/LENGTH][:PORTS]` taken apart; nothing in it has been looked at.
struct RuleDestination
{
  std::optional<std::string_view> protocol;
  std::string_view host; ///< with its length, and its brackets
  std::optional<std::string_view> ports;

  /// Nothing if there are more parts than these, or brackets that do not pair.
  static std::optional<RuleDestination> split(std::string_view text);
};

[[nodiscard]] std::optional<Rule::Protocol> parse_rule_protocol(std::string_view name);

/// `any`, a network (its host bits are masked), an address or a name; in brackets or not. Throws
/// UsageError with the offending text, one line.
[[nodiscard]] Rule::Host parse_rule_host(std::string_view text);

} // namespace slirpstack
