#include "flow/rule_parser.hh"

#include "base/error.hh"
#include "base/quoted.hh"
#include "flow/fields.hh"
#include "flow/rule_destination.hh"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <utility>

namespace slirpstack {

namespace {

bool is_option(std::string_view word)
{
  return LimitOption::find(word) != nullptr || word == "from" || word == "note";
}

} // namespace

std::optional<Rule> RuleParser::parse()
{
  const std::string_view action = line_.next_word();
  if (action.empty()) {
    return std::nullopt;
  }
  read_action(action);
  std::string_view word = line_.next_word();
  if (read_direction(word)) {
    word = line_.next_word();
  }
  const std::string_view destination = word;
  read_destination(destination);
  word = line_.next_word();
  check_direction(destination, word);
  for (; !word.empty(); word = line_.next_word()) {
    read_option(word);
  }
  rule_.line = line_.number();
  rule_.text = line_.read();
  return std::move(rule_);
}

void RuleParser::read_action(std::string_view word)
{
  static constexpr std::array ACTIONS{
    RuleAction::allow, RuleAction::deny, RuleAction::drop, RuleAction::reject};
  const auto found = std::ranges::find(ACTIONS, word, action_name);
  if (found == ACTIONS.end()) {
    line_.fail(word,
               fmt::format("unknown action {}: must be allow, deny, drop or reject", quoted(word)));
  }
  rule_.action = *found;
}

bool RuleParser::read_direction(std::string_view word)
{
  if (word == "in") {
    rule_.direction = FlowDirection::in;
  } else if (word == "out") {
    rule_.direction = FlowDirection::out;
  }
  return rule_.direction.has_value();
}

void RuleParser::read_destination(std::string_view word)
{
  if (word.empty()) {
    line_.fail(word,
               fmt::format("{} needs a destination: any, an address, a network or a name",
                           action_name(rule_.action)));
  }
  const auto destination = RuleDestination::split(word);
  if (!destination) {
    line_.fail(word, no_destination_text(word));
  }
  if (is_protocol_alone(*destination)) {
    const std::string_view next = line_.next_word();
    line_.fail(word,
               protocol_alone_text(*destination, is_option(next) ? std::string_view() : next));
  }
  if (destination->protocol) {
    read_protocol(*destination->protocol);
  }
  read_host(destination->host);
  if (destination->ports) {
    read_ports(*destination->ports);
  }
}

void RuleParser::check_direction(std::string_view destination, std::string_view next) const
{
  // Two destinations: the first was meant to be a direction.
  const bool is_word = destination.find_first_of(".:/[") == std::string_view::npos;
  if (!rule_.direction && is_word && std::holds_alternative<HostName>(rule_.host) && !next.empty()
      && !is_option(next)) {
    line_.fail(destination,
               fmt::format("{} is no direction: must be in or out", quoted(destination)));
  }
}

void RuleParser::read_protocol(std::string_view name)
{
  const auto protocol = parse_rule_protocol(name);
  if (!protocol) {
    line_.fail(name, unknown_protocol_text(name));
  }
  rule_.protocol = *protocol;
}

void RuleParser::read_host(std::string_view text)
{
  try {
    rule_.host = parse_rule_host(text);
  } catch (const UsageError& error) {
    line_.fail(text, error.what());
  }
}

void RuleParser::read_ports(std::string_view text)
{
  if (rule_.protocol == Rule::Protocol::icmp) {
    line_.fail(text, "ICMP has no ports");
  }
  // Never fails: the destination's brackets do pair.
  const auto fields = split_fields(text, ',');
  for (const std::string_view field : *fields) {
    rule_.ports.push_back(parse_ports(field));
  }
}

PortRange RuleParser::parse_ports(std::string_view text) const
{
  PortRange range;
  try {
    range = parse_port_range(text);
  } catch (const UsageError&) {
    line_.fail(text, fmt::format("ports {}: must be PORT or PORT-PORT, up to 65535", quoted(text)));
  }
  if (range.first > range.last) {
    line_.fail(text, fmt::format("ports {}: the first is greater than the last", quoted(text)));
  }
  if (range.last == 0) {
    line_.fail(text, "port 0 is no destination; without ports a rule is about all of them");
  }
  return range;
}

void RuleParser::read_option(std::string_view word)
{
  if (const auto* const limit = LimitOption::find(word)) {
    read_limit(word, *limit);
  } else if (word == "from") {
    read_source(word);
  } else if (word == "note") {
    if (std::exchange(has_note_, true)) {
      line_.fail(word, "a second note");
    }
    rule_.note = line_.next_note();
  } else {
    line_.fail(word,
               fmt::format("unknown option {}: must be from, rate, new, queries, flows or note",
                           quoted(word)));
  }
}

void RuleParser::read_source(std::string_view word)
{
  if (rule_.source) {
    line_.fail(word, "a second from");
  }
  const std::string_view text = line_.next_word();
  const auto prefix = Prefix::parse(strip_brackets(text));
  if (!prefix) {
    line_.fail(
      text,
      fmt::format("from {}: must be an address or a network such as 10.0.2.0/24", quoted(text)));
  }
  rule_.source = Prefix(prefix->network(), prefix->length_bits());
}

void RuleParser::read_limit(std::string_view word, const LimitOption& option)
{
  std::optional<std::uint64_t>& value = rule_.limits.*option.value;
  if (value) {
    line_.fail(word, fmt::format("a second {}", word));
  }
  if (rule_.action != RuleAction::allow) {
    line_.fail(word, fmt::format("{}: only an allow rule has limits", word));
  }
  const std::string_view text = line_.next_word();
  value = option.parse(text);
  if (!value) {
    line_.fail(text, fmt::format("{} {}: must be {}", word, quoted(text), option.right));
  }
}

} // namespace slirpstack
