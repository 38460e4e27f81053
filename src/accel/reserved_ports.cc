#include "accel/reserved_ports.hh"

#include <utility>

namespace slirpstack {

bool ReservedPorts::reserve(const Endpoint& external, std::uint8_t protocol, TimePoint now)
{
  const nat_endpoint key = map_endpoint(external, protocol, 0);
  if (const auto known = sockets_.find(key); known != sockets_.end()) {
    ++known->second;
    return true;
  }
  if (!maker_.pool().reserve(external, protocol)) {
    return false;
  }
  if (maker_.bindings().reserve(key)
      || (former_.evict(key, now) && maker_.bindings().reserve(key))) {
    sockets_.emplace(key, 1);
    return true;
  }
  maker_.pool().release(external, protocol, now);
  return false;
}

void ReservedPorts::release(const Endpoint& external, std::uint8_t protocol, TimePoint now)
{
  const auto there = sockets_.find(map_endpoint(external, protocol, 0));
  if (there != sockets_.end() && --there->second == 0) {
    maker_.bindings().release(there->first, now.time_since_epoch());
    maker_.pool().release(external, protocol, now);
    sockets_.erase(there);
  }
}

void ReservedPorts::move_to(const IpAddress& address, TimePoint now)
{
  for (const auto& [key, sockets] : std::exchange(sockets_, {})) {
    maker_.bindings().release(key, now.time_since_epoch());
    const Endpoint external{address, endpoint_of(key).port};
    if (reserve(external, key.protocol, now)) {
      sockets_[map_endpoint(external, key.protocol, 0)] = sockets;
    }
  }
}

} // namespace slirpstack
