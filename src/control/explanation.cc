#include "control/explanation.hh"

#include "wire/ip.hh"

#include <fmt/format.h>

namespace slirpstack {

namespace {

std::string_view verdict_name(RuleAction action)
{
  switch (action) {
    case RuleAction::allow:
      return "allowed";
    case RuleAction::deny:
      return "denied";
    case RuleAction::drop:
      return "dropped";
    case RuleAction::reject:
      break;
  }
  return "rejected";
}

/// ICMP for IPv6 is another protocol; who asks says "icmp" for both.
std::uint8_t protocol_for(std::uint8_t protocol, const IpAddress& address)
{
  return protocol == PROTOCOL_ICMP && address.is_ipv6() ? PROTOCOL_ICMPV6 : protocol;
}

std::string reason_of(const Verdict& verdict)
{
  if (verdict.rule || verdict.denial) {
    return verdict.reason();
  }
  return "no rule is against it";
}

} // namespace

Explanation explain(const Policy& policy,
                    const HostNetworks& host,
                    const Explain& asked,
                    const IpAddress& source,
                    const IpAddress& destination)
{
  const FlowRequest request{.direction = asked.direction,
                            .protocol = protocol_for(asked.protocol, destination),
                            .source = source,
                            .destination = {destination, asked.port}};
  const Verdict verdict = policy.decide(request, host);
  return {.destination
          = asked.port != 0 ? request.destination.to_string() : destination.to_string(),
          .verdict = std::string(verdict_name(verdict.action)),
          .by = reason_of(verdict),
          .allowed = verdict.allows()};
}

std::string_view protocol_name(const Explain& asked)
{
  return asked.protocol == PROTOCOL_TCP ? "tcp" : asked.protocol == PROTOCOL_UDP ? "udp" : "icmp";
}

std::string to_line(const Explain& asked, const Explanation& explanation)
{
  return fmt::format("{} {}: {}, {}",
                     protocol_name(asked),
                     explanation.destination,
                     explanation.verdict,
                     explanation.by);
}

} // namespace slirpstack
