#include "base/quoted.hh"
#include "flow/grammar_error.hh"
#include "flow/rule.hh"
#include "flow/rule_destination.hh"

#include <fmt/format.h>

namespace slirpstack {

namespace {

using Mistake = GrammarError::Mistake;

/// As slirpnetstack has it: 0 stands for all, whether alone or twice.
std::vector<PortRange> parse_list_ports(std::string_view text)
{
  const PortRange range = parse_port_range(text);
  if (range.last < range.first) {
    throw GrammarError(Mistake::ports_reversed,
                       text,
                       fmt::format("ports {}: the first is greater than the last", quoted(text)));
  }
  return range.last == 0 ? std::vector<PortRange>() : std::vector{range};
}

Rule::Protocol parse_list_protocol(std::optional<std::string_view> name)
{
  const auto protocol = parse_rule_protocol(name.value_or("tcp"));
  if (!protocol) {
    throw GrammarError(Mistake::unknown_protocol, *name, unknown_protocol_text(*name));
  }
  return *protocol;
}

Rule parse_entry(RuleAction action, std::string_view text)
{
  const auto destination = RuleDestination::split(text);
  if (!destination || destination->host.empty()) {
    throw GrammarError(Mistake::no_destination, text, no_destination_text(text));
  }
  Rule rule;
  rule.action = action;
  rule.direction = FlowDirection::out;
  // The order in which slirpnetstack finds mistakes.
  if (destination->ports) {
    rule.ports = parse_list_ports(*destination->ports);
  }
  rule.protocol = parse_list_protocol(destination->protocol);
  if (rule.protocol == Rule::Protocol::icmp && !rule.ports.empty()) {
    throw UsageError(fmt::format("{}: ICMP has no ports", quoted(text)));
  }
  if (is_protocol_alone(*destination)) {
    throw GrammarError(Mistake::no_host, destination->host, protocol_alone_text(*destination));
  }
  rule.host = parse_rule_host(destination->host);
  rule.text = fmt::format("-{} {}", action_name(action), text);
  return rule;
}

} // namespace

std::vector<Rule> parse_rule_list(RuleAction action, std::string_view text)
{
  std::vector<Rule> rules;
  for (std::size_t end = 0; end != std::string_view::npos;) {
    end = text.find(',');
    rules.push_back(parse_entry(action, text.substr(0, end)));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return rules;
}

} // namespace slirpstack
