#pragma once

#include "flow/rule.hh"
#include "flow/rule_limit.hh"
#include "flow/rule_line.hh"

#include <optional>
#include <string_view>

namespace slirpstack {

/// Makes a rule of a line (see parse_rules for the grammar). Throws RuleError.
class RuleParser
{
public:
  explicit RuleParser(RuleLine& line) : line_(line) {}

  /// Nothing: the line is empty, or a comment.
  std::optional<Rule> parse();

private:
  void read_action(std::string_view word);
  bool read_direction(std::string_view word);
  void read_destination(std::string_view word);
  /// Throws if `destination`, read as a host's name, stands where a direction was meant to.
  void check_direction(std::string_view destination, std::string_view next) const;
  void read_protocol(std::string_view name);
  void read_host(std::string_view text);
  void read_ports(std::string_view text);
  [[nodiscard]] PortRange parse_ports(std::string_view text) const;
  void read_option(std::string_view word);
  void read_source(std::string_view word);
  void read_limit(std::string_view word, const LimitOption& option);

  RuleLine& line_;
  Rule rule_;
  bool has_note_ = false;
};

} // namespace slirpstack
