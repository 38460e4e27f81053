#include "flow/external_ports.hh"

#include "flow/fair_share.hh"

namespace slirpstack {

bool ExternalPorts::is_taken(std::uint16_t port, std::uint8_t protocol) const
{
  const auto found = taken_.find(protocol);
  return found != taken_.end() && found->second.ports.test(port);
}

std::optional<std::uint16_t> ExternalPorts::take_from(PortSpan span,
                                                      std::uint32_t start,
                                                      std::uint8_t protocol,
                                                      std::optional<std::uint8_t> zone)
{
  for (std::uint32_t i = 0; i < span.count; ++i) {
    const auto port = static_cast<std::uint16_t>(span.first + (start + i) % span.count);
    if (!is_taken(port, protocol)) {
      take(port, protocol, zone);
      return port;
    }
  }
  return std::nullopt;
}

void ExternalPorts::take(std::uint16_t port,
                         std::uint8_t protocol,
                         std::optional<std::uint8_t> zone)
{
  Taken& taken = taken_[protocol];
  taken.ports.set(port);
  if (zone) {
    ++taken.of_zone[*zone];
  }
}

void ExternalPorts::free(std::uint16_t port,
                         std::uint8_t protocol,
                         std::optional<std::uint8_t> zone)
{
  Taken& taken = taken_[protocol];
  taken.ports.reset(port);
  if (zone) {
    --taken.of_zone[*zone];
  }
}

bool ExternalPorts::has_share(std::uint8_t zone, std::uint8_t protocol, std::size_t capacity) const
{
  const auto found = taken_.find(protocol);
  if (found == taken_.end()) {
    return capacity > 0;
  }
  const auto own = found->second.of_zone.find(zone);
  return may_have_one_more(
    own == found->second.of_zone.end() ? 0 : own->second, found->second.ports.count(), capacity);
}

} // namespace slirpstack
