#include "flow/policy.hh"

#include <algorithm>
#include <array>

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
    entry("169.254.0.0/16", Denial::link_local),
    entry("224.0.0.0/4", Denial::multicast_or_broadcast),
    entry("255.255.255.255/32", Denial::multicast_or_broadcast),
    entry("::/128", Denial::unspecified_address),
    entry("::1/128", Denial::loopback),
    entry("fd00:ec2::254/128", Denial::metadata_service),
    entry("fe80::/10", Denial::link_local),
    entry("ff00::/8", Denial::multicast_or_broadcast),
  };
  return denials;
}

/// The IPv4 address that a translator or the host's own stack would take out of an IPv6 one:
/// IPv4-mapped, the deprecated IPv4-compatible form, and the well-known NAT64 prefix (RFC 6052).
std::optional<IpAddress> embedded_ipv4(const IpAddress& address)
{
  static const std::array<Prefix, 3> forms{
    Prefix::parse("::ffff:0:0/96").value(),
    Prefix::parse("::/96").value(),
    Prefix::parse("64:ff9b::/96").value(),
  };
  const bool embeds
    = std::ranges::any_of(forms, [&](const Prefix& form) { return form.contains(address); });
  if (!embeds) {
    return std::nullopt;
  }
  return IpAddress(address.bytes().subspan(12));
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
    case Denial::routing_disabled:
      break;
  }
  return "routing is disabled";
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
    if (const auto denied = denial(*inner, host)) {
      return denied;
    }
  }
  if (const auto kind = host.find(destination)) {
    if (settings_.allow_host_networks) {
      return std::nullopt;
    }
    return *kind == HostNetworks::Kind::own_address ? Denial::host_address : Denial::host_network;
  }
  return settings_.allow_routing ? std::nullopt : std::optional(Denial::routing_disabled);
}

} // namespace slirpstack
