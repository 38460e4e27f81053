#include "face/config.hh"

namespace slirpstack {

namespace {

const Prefix& of_family(const Config::Network& network, Family family)
{
  return family == Family::ipv4 ? network.cidr : network.cidr6;
}

} // namespace

IpAddress Config::Network::gateway(Family family) const
{
  return of_family(*this, family).host(2);
}

IpAddress Config::Network::dns(Family family) const
{
  const std::optional<IpAddress>& chosen = family == Family::ipv4 ? dns_ipv4 : dns_ipv6;
  return chosen.value_or(of_family(*this, family).host(3));
}

IpAddress Config::Network::guest(Family family) const
{
  // 10.0.2.100 and fd00::100: the same digits to the eye, 100 in one base and 256 in the other.
  return of_family(*this, family).host(family == Family::ipv4 ? 100 : 0x100);
}

bool Config::Network::carries_ipv6() const
{
  return !mtu || *mtu >= 1280;
}

} // namespace slirpstack
