#pragma once

#include "wire/address.hh"

#include <cstdint>
#include <map>
#include <netinet/in.h>
#include <sys/socket.h>

namespace slirpstack {

/// The interfaces through which link-local addresses are reached.
using LinkScopes = std::map<IpAddress, std::uint32_t>;

/// An Endpoint as the kernel wants it.
class SocketAddress
{
public:
  /// Unspecified; `data()` can be filled by the kernel.
  SocketAddress() = default;
  explicit SocketAddress(const Endpoint& endpoint, std::uint32_t scope_id = 0);
  SocketAddress(const Endpoint& endpoint, const LinkScopes& scopes);

  [[nodiscard]] sockaddr* data() { return &address_.any; }
  [[nodiscard]] const sockaddr* data() const { return &address_.any; }
  [[nodiscard]] socklen_t size() const;
  static constexpr socklen_t CAPACITY = sizeof(sockaddr_in6);

  /// 0.0.0.0:0 for a family other than IPv4 and IPv6.
  [[nodiscard]] Endpoint endpoint() const;
  /// The same, but an IPv4-mapped address, as a socket of both families has them, is IPv4.
  [[nodiscard]] Endpoint unmapped_endpoint() const;
  [[nodiscard]] bool is_internet() const;

private:
  union {
    sockaddr_in6 ipv6;
    sockaddr_in ipv4;
    sockaddr any;
  } address_{};
};

/// AF_INET or AF_INET6.
[[nodiscard]] int address_family(Family family);

} // namespace slirpstack
