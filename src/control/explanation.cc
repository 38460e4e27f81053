#include "control/explanation.hh"

#include "wire/ip.hh"
#include "wire/protocol_name.hh"

#include <fmt/format.h>
#include <optional>
#include <utility>

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

/// `otherwise`: the reason if neither a rule nor a default has said anything.
Explanation from_verdict(const Verdict& verdict,
                         std::string destination,
                         std::string_view otherwise)
{
  return {.destination = std::move(destination),
          .verdict = std::string(verdict_name(verdict.action)),
          .by = verdict.rule || verdict.denial ? verdict.reason() : std::string(otherwise),
          .allowed = verdict.allows()};
}

/// What the gateway itself would do. Nothing: the destination is somebody else.
std::optional<Explanation> explain_ourselves(const ExplainedGuest& guest,
                                             const FlowRequest& request,
                                             const std::string& destination)
{
  const bool is_echo = request.protocol == PROTOCOL_ICMP || request.protocol == PROTOCOL_ICMPV6;
  if (is_echo && guest.ours.include(request.destination.address)) {
    return Explanation{destination, "allowed", "the gateway answers pings itself", true};
  }
  if (guest.ours.is_dns(request.destination)) {
    return from_verdict(guest.policy.decide_service(request), destination, "it is our DNS service");
  }
  if (guest.ours.include(request.destination.address)) {
    return Explanation{
      destination, "denied", "the gateway listens on no such port; -R makes one", false};
  }
  return std::nullopt;
}

} // namespace

Explanation explain(const ExplainedGuest& guest,
                    const Explain& asked,
                    const IpAddress& destination,
                    const std::string& forward)
{
  const FlowRequest request{.direction = asked.direction,
                            .protocol = protocol_for(asked.protocol, destination),
                            .source = guest.source,
                            .destination = {destination, asked.port}};
  const std::string name
    = asked.port != 0 ? request.destination.to_string() : destination.to_string();
  if (asked.direction == FlowDirection::out) {
    if (!forward.empty()) {
      return {name, "forwarded", forward, true};
    }
    if (auto own = explain_ourselves(guest, request, name)) {
      return *own;
    }
  }
  return from_verdict(guest.policy.decide(request, guest.host), name, "no rule is against it");
}

std::string to_line(const Explain& asked, const Explanation& explanation)
{
  return fmt::format("{} {}: {}, {}",
                     protocol_name(asked.protocol),
                     explanation.destination,
                     explanation.verdict,
                     explanation.by);
}

} // namespace slirpstack
