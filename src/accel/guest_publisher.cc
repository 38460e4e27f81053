#include "accel/guest_publisher.hh"

#include <algorithm>

namespace slirpstack {

bool GuestPublisher::has_address(const IpAddress& address) const
{
  return !plan_.pool_is_local
         && std::ranges::any_of(plan_.external,
                                [&](const AddressRange& range) { return range.contains(address); });
}

PublishAnswer GuestPublisher::publish(const PublishedPort& port, TimePoint now)
{
  if (!is_planned(plan_, port.guest.address, port.external.address)) {
    return PublishAnswer::not_a_guest;
  }
  const auto refusal = writer_.add_static({port.protocol, port.external, port.guest, place_}, now);
  if (!refusal) {
    return PublishAnswer::published;
  }
  switch (*refusal) {
    case StaticRefusal::internal_taken:
      return PublishAnswer::guest_taken;
    case StaticRefusal::no_room:
      return PublishAnswer::no_room;
    default:
      return PublishAnswer::taken;
  }
}

void GuestPublisher::withdraw(const PublishedPort& port, TimePoint now)
{
  writer_.remove_static(port.external, port.protocol, now);
}

std::vector<Endpoint> GuestPublisher::endpoints_of(const Endpoint& socket) const
{
  std::vector<Endpoint> endpoints;
  for (const IpAddress& address : plan_.own) {
    if (socket.address.is_unspecified() || socket.address == address) {
      endpoints.push_back({address, socket.port});
    }
  }
  return endpoints;
}

bool GuestPublisher::reserve(std::uint8_t protocol, const Endpoint& socket, TimePoint now)
{
  const std::vector<Endpoint> endpoints = endpoints_of(socket);
  for (auto endpoint = endpoints.begin(); endpoint != endpoints.end(); ++endpoint) {
    if (!writer_.reserved().reserve(*endpoint, protocol, now)) {
      std::for_each(endpoints.begin(), endpoint, [&](const Endpoint& earlier) {
        writer_.reserved().release(earlier, protocol, now);
      });
      return false;
    }
  }
  return true;
}

void GuestPublisher::release(std::uint8_t protocol, const Endpoint& socket, TimePoint now)
{
  for (const Endpoint& endpoint : endpoints_of(socket)) {
    writer_.reserved().release(endpoint, protocol, now);
  }
}

} // namespace slirpstack
