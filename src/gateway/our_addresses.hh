#pragma once

#include "wire/address.hh"

namespace slirpstack {

/// The addresses in the guest's world that are us: the gateway's and the DNS server's.
struct OurAddresses
{
  IpAddress gateway_ipv4;
  IpAddress gateway_ipv6;
  IpAddress dns_ipv4;
  IpAddress dns_ipv6;
  /// Off: the DNS addresses are of nobody.
  bool has_dns = true;

  [[nodiscard]] bool include(const IpAddress& address) const;
  /// Whether that is our DNS server.
  [[nodiscard]] bool is_dns(const Endpoint& endpoint) const;
};

} // namespace slirpstack
