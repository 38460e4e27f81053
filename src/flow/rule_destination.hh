#pragma once

#include "flow/rule.hh"

#include <optional>
#include <string>
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

/// Whether a protocol's name stands where a host has to: `tcp`, `udp` or `icmp` and nothing else.
/// Taken for a name, the rule would be about nothing.
[[nodiscard]] bool is_protocol_alone(const RuleDestination& destination);

// The mistakes, in a line for their author.

/// Of a text that split() does not take, or that has no host.
[[nodiscard]] std::string no_destination_text(std::string_view text);
[[nodiscard]] std::string unknown_protocol_text(std::string_view name);
/// `next`: the destination that it was probably meant to stand before; empty: none.
[[nodiscard]] std::string protocol_alone_text(const RuleDestination& destination,
                                              std::string_view next = {});

/// `any`, a network (its host bits are masked), an address or a name; in brackets or not. Throws
/// UsageError with the offending text, one line.
[[nodiscard]] Rule::Host parse_rule_host(std::string_view text);

} // namespace slirpstack
