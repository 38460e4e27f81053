#include "flow/rule.hh"

#include "wire/ip.hh"

#include <algorithm>
#include <fmt/format.h>

namespace slirpstack {

namespace {

bool is_icmp(std::uint8_t protocol)
{
  return protocol == PROTOCOL_ICMP || protocol == PROTOCOL_ICMPV6;
}

bool matches_protocol(Rule::Protocol wanted, std::uint8_t protocol)
{
  switch (wanted) {
    case Rule::Protocol::tcp:
      return protocol == PROTOCOL_TCP;
    case Rule::Protocol::udp:
      return protocol == PROTOCOL_UDP;
    case Rule::Protocol::icmp:
      return is_icmp(protocol);
    case Rule::Protocol::any:
      break;
  }
  return true;
}

bool matches_host(const Rule::Host& host,
                  const IpAddress& destination,
                  const std::vector<IpAddress>& addresses)
{
  if (const auto* const prefix = std::get_if<Prefix>(&host)) {
    return prefix->contains(destination);
  }
  return std::holds_alternative<std::monostate>(host)
         || std::ranges::find(addresses, destination) != addresses.end();
}

bool matches_ports(const std::vector<PortRange>& ports, const FlowRequest& flow)
{
  return ports.empty()
         || (!is_icmp(flow.protocol) && std::ranges::any_of(ports, [&](const PortRange& range) {
              return range.contains(flow.destination.port);
            }));
}

} // namespace

std::string_view action_name(RuleAction action)
{
  switch (action) {
    case RuleAction::allow:
      return "allow";
    case RuleAction::deny:
      return "deny";
    case RuleAction::drop:
      return "drop";
    case RuleAction::reject:
      break;
  }
  return "reject";
}

bool Rule::matches(const FlowRequest& flow, const std::vector<IpAddress>& addresses) const
{
  return (!direction || *direction == flow.direction) && matches_protocol(protocol, flow.protocol)
         && matches_host(host, flow.destination.address, addresses) && matches_ports(ports, flow)
         && (!source || source->contains(flow.source));
}

RuleError::RuleError(unsigned line, unsigned column, const std::string& reason)
  : std::runtime_error(fmt::format("line {}, column {}: {}", line, column, reason))
  , line_(line)
  , column_(column)
{}

} // namespace slirpstack
