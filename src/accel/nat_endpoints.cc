#include "accel/nat_endpoints.hh"

#include <arpa/inet.h>
#include <cassert>
#include <chrono>
#include <tuple>

namespace slirpstack {

nat_endpoint map_endpoint(const Endpoint& endpoint, std::uint8_t protocol, std::uint8_t zone)
{
  assert(endpoint.address.is_ipv4());
  return {map_address(endpoint.address), htons(endpoint.port), protocol, zone};
}

nat_session_key map_session(const nat_endpoint& external, const Endpoint& remote)
{
  nat_session_key key{};
  key.address = external.address;
  key.port = external.port;
  key.protocol = external.protocol;
  key.remote_address = map_address(remote.address);
  key.remote_port = htons(remote.port);
  return key;
}

nat_endpoint external_of(const nat_session_key& session)
{
  return {session.address, session.port, session.protocol, 0};
}

Endpoint remote_of(const nat_session_key& session)
{
  return {address_of(session.remote_address), ntohs(session.remote_port)};
}

bool NatEndpointOrder::operator()(const nat_endpoint& one, const nat_endpoint& other) const
{
  const auto tied = [](const nat_endpoint& endpoint) {
    return std::tuple(endpoint.address, endpoint.port, endpoint.protocol, endpoint.zone);
  };
  return tied(one) < tied(other);
}

std::uint64_t kernel_time(TimePoint time)
{
  // Clock is CLOCK_MONOTONIC, as the kernel's bpf_ktime_get_coarse_ns().
  return static_cast<std::uint64_t>(
    std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
}

} // namespace slirpstack
