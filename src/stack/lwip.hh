#pragma once

// The only place that includes lwIP. netinet/tcp.h defines a TCP_MSS too.
#undef TCP_MSS

extern "C" {
#include "lwip/init.h"
#include "lwip/ip.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"
}

#include "wire/address.hh"

#include <cstring>

namespace slirpstack {

/// The address in lwIP's form.
inline ip_addr_t to_lwip(const IpAddress& address)
{
  ip_addr_t converted{};
  if (address.is_ipv4()) {
    std::memcpy(&converted.u_addr.ip4.addr, address.bytes().data(), 4);
    converted.type = IPADDR_TYPE_V4;
  } else {
    std::memcpy(converted.u_addr.ip6.addr, address.bytes().data(), 16);
    converted.type = IPADDR_TYPE_V6;
  }
  return converted;
}

inline IpAddress from_lwip(const ip_addr_t& address)
{
  if (IP_GET_TYPE(&address) == IPADDR_TYPE_V4) {
    return IpAddress(ByteView(reinterpret_cast<const std::uint8_t*>(&address.u_addr.ip4.addr), 4));
  }
  return IpAddress(ByteView(reinterpret_cast<const std::uint8_t*>(address.u_addr.ip6.addr), 16));
}

} // namespace slirpstack
