#include "accel/nat_scope.hh"

#include "accel/nat_endpoints.hh"
#include "wire/ip.hh"

#include <algorithm>
#include <arpa/inet.h>
#include <span>

namespace slirpstack {

namespace {

bool is_in(std::span<const nat_range> ranges, std::size_t count, std::uint32_t address)
{
  return std::ranges::any_of(
    ranges.first(std::min(count, ranges.size())),
    [address](const nat_range& range) { return address - range.first < range.count; });
}

bool is_internal(const nat_settings& settings, std::uint32_t address)
{
  return is_in(settings.internal, settings.internal_ranges, address);
}

/// Such an address may be one of the host's own: then it is exempt but for its bindings.
bool is_external(const nat_settings& settings, std::uint32_t address)
{
  return is_in(settings.external, settings.external_ranges, address);
}

/// This host, loopback, multicast and above.
bool is_never_routed(std::uint32_t address)
{
  const std::uint32_t first = address >> 24U;
  return first == 0 || first == 127 || first >= 224;
}

} // namespace

NatScope::NatScope(const NatObject& object)
  : settings_(object.map("settings"))
  , exempt_(object.map("exempt"))
  , owners_(object.map("owners"))
  , routes_(object.map("routes"))
{}

bool NatScope::translates(const IpAddress& source, const IpAddress& destination) const
{
  const nat_settings settings = settings_.find(0).value_or(nat_settings{});
  const std::uint32_t to = destination.ipv4_value();
  if (!is_internal(settings, source.ipv4_value()) || is_internal(settings, to)
      || is_never_routed(to)) {
    return false;
  }
  if (is_external(settings, to)) {
    return true;
  }
  const bool is_exempt
    = (settings.flags & NAT_EXEMPTIONS) != 0 && exempt_.find({32, htonl(to)}).has_value();
  return !is_exempt && routes_.find({32, htonl(to)}).has_value();
}

bool NatScope::is_nobodys(const Endpoint& remote, std::uint8_t protocol) const
{
  const nat_settings settings = settings_.find(0).value_or(nat_settings{});
  if (!is_external(settings, remote.address.ipv4_value())) {
    return false;
  }
  const auto owner = owners_.find(map_endpoint(remote, protocol, 0));
  return protocol == PROTOCOL_ICMP || !owner || (owner->flags & NAT_QUARANTINED) != 0;
}

std::optional<std::uint32_t> NatScope::mtu_bytes_to(const IpAddress& destination) const
{
  const auto route = routes_.find({32, htonl(destination.ipv4_value())});
  return route ? std::optional(route->mtu) : std::nullopt;
}

} // namespace slirpstack
