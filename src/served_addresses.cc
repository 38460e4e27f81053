#include "served_addresses.hh"

#include "base/log.hh"

#include <algorithm>

namespace slirpstack {

namespace {

const std::optional<GuestAddress>& of_family(const GuestAddresses& guest, Family family)
{
  return family == Family::ipv4 ? guest.ipv4 : guest.ipv6;
}

const std::optional<IpAddress>& chosen_dns(const Config& config, Family family)
{
  return family == Family::ipv4 ? config.network.dns_ipv4 : config.network.dns_ipv6;
}

IpAddress dns_address(const Config& config, const GuestAddresses& guest, Family family)
{
  const auto& own = of_family(guest, family);
  return own && !chosen_dns(config, family) ? own->dns() : config.network.dns(family);
}

IpAddress gateway_address(const Config& config, const GuestAddresses& guest, Family family)
{
  const auto& own = of_family(guest, family);
  return own ? own->gateway : config.network.gateway(family);
}

IpAddress own_address(const Config& config, const GuestAddresses& guest, Family family)
{
  const auto& own = of_family(guest, family);
  return own ? own->guest.address() : config.network.guest(family);
}

bool is_broadcast(const Prefix& network, const IpAddress& address)
{
  constexpr unsigned POINT_TO_POINT = 31; // RFC 3021: has none
  const bool has_one = network.address().is_ipv4() && network.length_bits() < POINT_TO_POINT;
  return has_one && network.contains(address)
         && address == network.host((std::uint32_t{1} << (32U - network.length_bits())) - 1U);
}

/// A network that was typed, but that the interface does not go by.
void warn_of_network(std::string_view flag,
                     const Prefix& asked,
                     const Prefix& usual,
                     const std::optional<GuestAddress>& own)
{
  if (own && asked != usual && !asked.contains(own->guest.address())) {
    log(LogLevel::warning,
        "an option has no effect: the guest's interface has an address of its own",
        {{"option", flag}, {"asked", asked.to_string()}, {"guest", own->guest.to_string()}});
  }
}

} // namespace

OurAddresses our_addresses(const Config& config, const GuestAddresses& guest)
{
  return {.gateway_ipv4 = gateway_address(config, guest, Family::ipv4),
          .gateway_ipv6 = gateway_address(config, guest, Family::ipv6),
          .dns_ipv4 = dns_address(config, guest, Family::ipv4),
          .dns_ipv6 = dns_address(config, guest, Family::ipv6),
          // In slirpnetstack's manner it would be a way out of a locked guest.
          .has_dns = config.manner != Config::Manner::slirpnetstack};
}

std::vector<IpAddress> own_addresses(const Config& config, const GuestAddresses& guest)
{
  return {own_address(config, guest, Family::ipv4), own_address(config, guest, Family::ipv6)};
}

ForwardDefaults forward_defaults(const Config& config, const GuestAddresses& guest)
{
  return {.guest_ipv4 = own_address(config, guest, Family::ipv4),
          .guest_ipv6 = own_address(config, guest, Family::ipv6),
          .gateway_ipv4 = gateway_address(config, guest, Family::ipv4),
          .gateway_ipv6 = gateway_address(config, guest, Family::ipv6)};
}

std::vector<IpAddress> dns_servers(const Config& config, const GuestAddresses& guest)
{
  std::vector<IpAddress> servers;
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    if (of_family(guest, family)) {
      servers.push_back(dns_address(config, guest, family));
    }
  }
  return servers;
}

ServedAddresses served_addresses(const Config& config, const GuestAddresses& guest)
{
  const bool is_configured = guest.ipv4 || guest.ipv6;
  ServedAddresses served;
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    if (is_configured && !of_family(guest, family)) {
      continue;
    }
    served.guest.push_back(own_address(config, guest, family));
    served.gateway.push_back(gateway_address(config, guest, family));
    served.dns.push_back(dns_address(config, guest, family));
  }
  return served;
}

std::string dns_trouble(const GuestAddress& guest, const IpAddress& dns)
{
  if (dns == guest.guest.address()) {
    return "it is the guest's own address";
  }
  return is_broadcast(guest.guest, dns) ? "it is the broadcast address of the guest's network" : "";
}

void warn_of_addresses(const Config& config, const GuestAddresses& guest)
{
  const Config::Network usual;
  const Config::Network& network = config.network;
  warn_of_network("-cidr", network.cidr, usual.cidr, guest.ipv4);
  warn_of_network("-cidr6", network.cidr6, usual.cidr6, guest.ipv6);
  if (network.mtu && !network.configure && !config.attach.fd) {
    log(LogLevel::warning,
        "an option has no effect: without -configure the guest's interface keeps its MTU",
        {{"option", "-mtu"}, {"asked", *network.mtu}});
  }
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    const auto& own = of_family(guest, family);
    const IpAddress dns = dns_address(config, guest, family);
    if (const std::string trouble = own ? dns_trouble(*own, dns) : ""; !trouble.empty()) {
      log(LogLevel::warning,
          "the guest cannot ask the DNS server; -dns ADDRESS gives it another address",
          {{"dns", dns.to_string()}, {"reason", trouble}});
    }
  }
}

} // namespace slirpstack
