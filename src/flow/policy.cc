#include "flow/policy.hh"

#include <algorithm>
#include <array>
#include <iterator>

namespace slirpstack {

namespace {

struct StaticDenial
{
  Prefix prefix;
  Denial denial;
};

/// Destinations that no guest has a reason to reach through a router (RFC 6890), first match wins.
const std::vector<StaticDenial>& static_denials()
{
  static const auto entry = [](std::string_view text, Denial denial) {
    return StaticDenial{Prefix::parse(text).value(), denial};
  };
  static const std::vector<StaticDenial> denials{
    entry("0.0.0.0/8", Denial::unspecified_address),
    entry("127.0.0.0/8", Denial::loopback),
    // The instance metadata services of the large clouds hand out the host's credentials.
    entry("169.254.169.254/32", Denial::metadata_service),
    entry("100.100.100.200/32", Denial::metadata_service),
    entry("168.63.129.16/32", Denial::metadata_service),
    entry("192.0.0.192/32", Denial::metadata_service),
    entry("169.254.0.0/16", Denial::link_local),
    entry("224.0.0.0/4", Denial::multicast_or_broadcast),
    entry("255.255.255.255/32", Denial::multicast_or_broadcast),
    entry("::/128", Denial::unspecified_address),
    entry("::1/128", Denial::loopback),
    entry("fd00:ec2::254/128", Denial::metadata_service),
    entry("fd20:ce::254/128", Denial::metadata_service),
    entry("fe80::/10", Denial::link_local),
    entry("ff00::/8", Denial::multicast_or_broadcast),
  };
  return denials;
}

} // namespace

std::vector<Prefix> closed_networks(Family family)
{
  std::vector<Prefix> networks;
  for (const StaticDenial& denial : static_denials()) {
    if (denial.prefix.address().family() == family) {
      networks.push_back(denial.prefix);
    }
  }
  return networks;
}

namespace {

struct Embedding
{
  Prefix prefix;
  std::size_t offset_bytes; ///< where the IPv4 address stands
};

/// IPv4-mapped, the deprecated IPv4-compatible form, IPv4-translated (RFC 2765), the well-known
/// NAT64 prefix (RFC 6052), and 6to4 (RFC 3056).
const std::array<Embedding, 5>& embeddings()
{
  static const std::array<Embedding, 5> forms{{
    {Prefix::parse("::ffff:0:0/96").value(), 12},
    {Prefix::parse("::/96").value(), 12},
    {Prefix::parse("::ffff:0:0:0/96").value(), 12},
    {Prefix::parse("64:ff9b::/96").value(), 12},
    {Prefix::parse("2002::/16").value(), 2},
  }};
  return forms;
}

/// The IPv4 address that a translator or the host's own stack would take out of an IPv6 one.
std::optional<IpAddress> embedded_ipv4(const IpAddress& address)
{
  for (const auto& [prefix, offset] : embeddings()) {
    if (prefix.contains(address)) {
      return IpAddress(address.bytes().subspan(offset, 4));
    }
  }
  return std::nullopt;
}

/// A translator of the host's own network (RFC 8215): where in the address an IPv4 one stands is
/// that network's choice, so it cannot be judged.
const Prefix& local_translation()
{
  static const Prefix local = Prefix::parse("64:ff9b:1::/48").value();
  return local;
}

} // namespace

std::vector<Prefix> embedding_networks()
{
  std::vector<Prefix> networks{local_translation()};
  for (const Embedding& form : embeddings()) {
    networks.push_back(form.prefix);
  }
  return networks;
}

namespace {

std::vector<HostName> names_in(std::initializer_list<const RuleSet*> sets)
{
  std::vector<HostName> names;
  for (const RuleSet* const rules : sets) {
    std::ranges::move(rules->names(), std::back_inserter(names));
  }
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

} // namespace

std::string_view denial_name(Denial denial)
{
  switch (denial) {
    case Denial::unspecified_address:
      return "unspecified address";
    case Denial::loopback:
      return "loopback";
    case Denial::multicast_or_broadcast:
      return "multicast or broadcast";
    case Denial::link_local:
      return "link-local";
    case Denial::metadata_service:
      return "cloud metadata service";
    case Denial::guest_network:
      return "no such host in the guest's network";
    case Denial::host_address:
      return "address of the host (-enable-host opens it)";
    case Denial::host_network:
      return "network of the host (-enable-host opens it)";
    case Denial::embedded_ipv4:
      return "IPv4 address inside an IPv6 one";
    case Denial::routing_disabled:
      break;
  }
  return "routing is disabled (-disable-routing)";
}

std::string Verdict::reason() const
{
  if (rule) {
    return cited(rule->rule);
  }
  return denial ? std::string(denial_name(*denial)) : "allowed";
}

std::optional<Verdict> Policy::ruled(const FlowRequest& flow) const
{
  std::optional<FlowRequest> inner;
  if (const auto ipv4 = embedded_ipv4(flow.destination.address)) {
    inner = flow;
    inner->destination.address = *ipv4;
  }
  for (const RuleSet* const rules : {&rules_, &deny_, &allow_}) {
    if (const auto& account = rules->find(flow, inner)) {
      return Verdict{account->rule.action, account, std::nullopt};
    }
  }
  return std::nullopt;
}

Verdict Policy::decide(const FlowRequest& flow, const HostNetworks& host) const
{
  if (auto verdict = ruled(flow)) {
    const auto denied = denied_name(*verdict, flow, host);
    return denied ? Verdict{RuleAction::deny, nullptr, denied} : *verdict;
  }
  if (flow.direction == FlowDirection::out) {
    if (const auto denied = denial(flow.destination.address, host)) {
      return {RuleAction::deny, nullptr, denied};
    }
  }
  return {};
}

std::optional<Denial> Policy::denied_name(const Verdict& verdict,
                                          const FlowRequest& flow,
                                          const HostNetworks& host) const
{
  const bool by_name = verdict.allows() && !settings_.trusts_listed_names
                       && std::holds_alternative<HostName>(verdict.rule->rule.host);
  if (!by_name || flow.direction != FlowDirection::out) {
    return std::nullopt;
  }
  const auto denied = denial(flow.destination.address, host);
  // That one says only that nobody has allowed it.
  return denied == Denial::routing_disabled ? std::nullopt : denied;
}

bool Policy::admits_everyone(const FlowRequest& flow) const
{
  for (const RuleSet* const rules : {&rules_, &deny_, &allow_}) {
    if (const RuleAccount* const account = rules->first_about(flow)) {
      const Rule& rule = account->rule;
      return rule.action == RuleAction::allow && !rule.source && rule.limits == RuleLimits();
    }
  }
  return true;
}

Verdict Policy::decide_service(const FlowRequest& flow) const
{
  return ruled(flow).value_or(Verdict());
}

bool Policy::is_reserved(const IpAddress& address) const
{
  return static_denial(address).has_value() || embedded_ipv4(address).has_value();
}

void Policy::set_rules(RuleSet rules)
{
  rules.inherit(rules_);
  rules_ = std::move(rules);
}

void Policy::set_lists(RuleSet deny, RuleSet allow)
{
  deny_ = std::move(deny);
  allow_ = std::move(allow);
}

std::vector<HostName> Policy::names() const
{
  return names_in({&rules_, &deny_, &allow_});
}

std::vector<HostName> Policy::list_names() const
{
  return names_in({&deny_, &allow_});
}

std::vector<std::string> Policy::lists_about(const HostName& name) const
{
  std::vector<std::string> rules = deny_.about(name);
  std::ranges::move(allow_.about(name), std::back_inserter(rules));
  return rules;
}

void Policy::set_addresses(const HostName& name, std::span<const IpAddress> addresses)
{
  for (RuleSet* const rules : {&rules_, &deny_, &allow_}) {
    rules->set_addresses(name, addresses);
  }
}

std::optional<Denial> Policy::static_denial(const IpAddress& destination) const
{
  for (const auto& [denied, reason] : static_denials()) {
    if (denied.contains(destination)) {
      return reason;
    }
  }
  for (const Prefix& network : settings_.guest_networks) {
    if (network.contains(destination)) {
      return Denial::guest_network;
    }
  }
  return std::nullopt;
}

std::optional<Denial> Policy::denial(const IpAddress& destination, const HostNetworks& host) const
{
  if (const auto denied = static_denial(destination)) {
    return denied;
  }
  if (const auto inner = embedded_ipv4(destination)) {
    if (settings_.denies_embedded_ipv4) {
      return Denial::embedded_ipv4;
    }
    if (const auto denied = denial(*inner, host)) {
      return denied;
    }
  }
  if (local_translation().contains(destination) && !settings_.allow_host_networks) {
    return Denial::host_network;
  }
  const auto kind = host.find(destination);
  if (kind && (*kind != HostNetworks::Kind::routed_network || settings_.guards_routed_networks)) {
    if (settings_.allow_host_networks) {
      return std::nullopt;
    }
    return kind == HostNetworks::Kind::own_address ? Denial::host_address : Denial::host_network;
  }
  return settings_.allow_routing ? std::nullopt : std::optional(Denial::routing_disabled);
}

} // namespace slirpstack
