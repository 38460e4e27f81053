#include "gateway/our_addresses.hh"

namespace slirpstack {

namespace {

constexpr std::uint16_t DNS_PORT = 53;

} // namespace

bool OurAddresses::include(const IpAddress& address) const
{
  return address == gateway_ipv4 || address == gateway_ipv6
         || (has_dns && (address == dns_ipv4 || address == dns_ipv6));
}

bool OurAddresses::is_dns(const Endpoint& endpoint) const
{
  return has_dns && endpoint.port == DNS_PORT
         && (endpoint.address == dns_ipv4 || endpoint.address == dns_ipv6);
}

} // namespace slirpstack
