#include "host/socket_address.hh"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
#include <span>

namespace slirpstack {

SocketAddress::SocketAddress(const Endpoint& endpoint, std::uint32_t scope_id)
{
  const ByteView bytes = endpoint.address.bytes();
  if (endpoint.address.is_ipv4()) {
    address_.ipv4.sin_family = AF_INET;
    address_.ipv4.sin_port = htons(endpoint.port);
    std::memcpy(&address_.ipv4.sin_addr, bytes.data(), bytes.size());
  } else {
    address_.ipv6.sin6_family = AF_INET6;
    address_.ipv6.sin6_port = htons(endpoint.port);
    std::memcpy(&address_.ipv6.sin6_addr, bytes.data(), bytes.size());
    address_.ipv6.sin6_scope_id = scope_id;
  }
}

namespace {

std::uint32_t scope_of(const IpAddress& address, const LinkScopes& scopes)
{
  if (!address.is_ipv6() || !address.is_link_local()) {
    return 0;
  }
  const auto found = scopes.find(address);
  return found == scopes.end() ? 0 : found->second;
}

} // namespace

SocketAddress::SocketAddress(const Endpoint& endpoint, const LinkScopes& scopes)
  : SocketAddress(endpoint, scope_of(endpoint.address, scopes))
{}

socklen_t SocketAddress::size() const
{
  return address_.any.sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
}

Endpoint SocketAddress::endpoint() const
{
  std::array<std::uint8_t, 16> bytes{};
  if (address_.any.sa_family == AF_INET) {
    std::memcpy(bytes.data(), &address_.ipv4.sin_addr, 4);
    return {IpAddress(std::span(bytes).first<4>()), ntohs(address_.ipv4.sin_port)};
  }
  if (address_.any.sa_family == AF_INET6) {
    std::memcpy(bytes.data(), &address_.ipv6.sin6_addr, 16);
    return {IpAddress(bytes), ntohs(address_.ipv6.sin6_port)};
  }
  return {};
}

Endpoint SocketAddress::unmapped_endpoint() const
{
  Endpoint unmapped = endpoint();
  unmapped.address = unmapped.address.unmapped().value_or(unmapped.address);
  return unmapped;
}

bool SocketAddress::is_internet() const
{
  return address_.any.sa_family == AF_INET || address_.any.sa_family == AF_INET6;
}

int address_family(Family family)
{
  return family == Family::ipv4 ? AF_INET : AF_INET6;
}

} // namespace slirpstack
