// The text of a rules file becomes rules, each of which its own text makes again, or a RuleError
// of one line.

#include "flow/rule.hh"
#include "require.hh"
#include "wire/ip.hh"

#include <algorithm>

using namespace slirpstack;

namespace {

void check_ports(const Rule& rule)
{
  for (const PortRange& range : rule.ports) {
    require(range.first <= range.last && range.last != 0);
  }
  require(rule.ports.empty() || rule.protocol != Rule::Protocol::icmp);
}

void check_limits(const Rule& rule)
{
  const RuleLimits& limits = rule.limits;
  require(rule.action == RuleAction::allow || limits == RuleLimits());
  for (const auto& limit : {limits.bytes_per_second,
                            limits.new_flows_per_second,
                            limits.queries_per_second,
                            limits.max_flows}) {
    require(!limit || (*limit > 0 && *limit <= std::uint64_t{1} << 50U));
  }
}

void check_host(const Rule& rule)
{
  const FlowRequest flow{.direction = rule.direction.value_or(FlowDirection::out),
                         .protocol = PROTOCOL_TCP,
                         .source = {},
                         .destination = {IpAddress::ipv4(0xc0000201), 80}};
  if (const auto* const name = std::get_if<HostName>(&rule.host)) {
    require(is_host_name(name->name) && !name->server);
    require(!rule.matches(flow, {}));
  } else if (const auto* const prefix = std::get_if<Prefix>(&rule.host)) {
    require(prefix->network() == prefix->address());
    require(!rule.matches(flow, {}) || prefix->contains(flow.destination.address));
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const std::string text(data, data + size);
  try {
    for (const Rule& rule : parse_rules(text)) {
      require(rule.line > 0 && rule.text.find_first_of("\n\r") == std::string::npos);
      check_ports(rule);
      check_limits(rule);
      check_host(rule);
      std::vector<Rule> again = parse_rules(rule.text);
      require(again.size() == 1);
      again.front().line = rule.line;
      require(again.front() == rule);
    }
  } catch (const RuleError& error) {
    const std::string_view reason = error.what();
    require(reason.find_first_of("\n\r") == std::string_view::npos);
    require(error.line() > 0 && error.column() > 0 && error.column() <= 4097);
  }
  return 0;
}
