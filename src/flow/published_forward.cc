#include "flow/published_forward.hh"

#include "base/error.hh"
#include "base/quoted.hh"
#include "wire/protocol_name.hh"

#include <algorithm>
#include <fmt/format.h>
#include <string_view>
#include <variant>

namespace slirpstack {

namespace {

using Place = ForwardSpec::Place;

/// Throws for what takes a socket.
const Place& place_of(const ForwardSpec::Side& side)
{
  const auto* const place = std::get_if<Place>(&side);
  if (place == nullptr) {
    throw UsageError("a Unix socket is nothing that the NAT has: name an address and a port");
  }
  if (!place->device.empty()) {
    throw UsageError(
      fmt::format("device {}: the NAT binds to none, only to an address", quoted(place->device)));
  }
  return *place;
}

/// Null: nobody has said.
const IpAddress* address_of(const Place& place)
{
  if (const auto* const name = std::get_if<HostName>(&place.host)) {
    throw UsageError(fmt::format("{}: must be an IPv4 address, as the NAT looks up no names",
                                 quoted(name->to_string())));
  }
  const auto* const address = std::get_if<IpAddress>(&place.host);
  if (address != nullptr && !address->is_ipv4()) {
    throw UsageError(fmt::format("{}: must be an IPv4 address", address->to_string()));
  }
  return address;
}

void check_kind(const ForwardSpec& spec)
{
  if (spec.scheme != ForwardScheme::tcp && spec.scheme != ForwardScheme::udp) {
    throw UsageError(
      fmt::format("{} takes a socket, and the NAT has none: tcp or udp", scheme_name(spec.scheme)));
  }
  if (spec.targets.size() != 1) {
    throw UsageError("the NAT leads to one internal address: name one target");
  }
}

IpAddress external_address(const Place& bind, const NatNetworks& networks)
{
  const std::vector<AddressRange>& external = networks.external;
  const IpAddress* const named = address_of(bind);
  if (named == nullptr) {
    if (external.size() != 1 || external.front().size() != 1) {
      throw UsageError("has to name its external address, as there are several");
    }
    return external.front().first;
  }
  if (std::ranges::none_of(external,
                           [&](const AddressRange& range) { return range.contains(*named); })) {
    throw UsageError(fmt::format("{} is no external address of the NAT", named->to_string()));
  }
  return *named;
}

IpAddress internal_address(const Place& target, const NatNetworks& networks)
{
  const IpAddress* const named = address_of(target);
  if (named == nullptr) {
    throw UsageError("has to name the internal address that it leads to");
  }
  if (std::ranges::none_of(networks.internal,
                           [&](const Prefix& network) { return network.contains(*named); })) {
    throw UsageError(fmt::format("{} is in no internal network of the NAT", named->to_string()));
  }
  return *named;
}

} // namespace

std::vector<PublishedPort> published_ports(const ForwardSpec& spec, const NatNetworks& networks)
{
  check_kind(spec);
  const Place& bind = place_of(spec.bind);
  const Place& target = place_of(spec.targets.front());
  const IpAddress external = external_address(bind, networks);
  const IpAddress internal = internal_address(target, networks);
  const PortRange outside = spec.bound_ports();
  PortRange inside = target.ports.value_or(outside);
  if (outside == ForwardSpec::ANY_PORT) {
    throw UsageError("has to name the external port");
  }
  if (inside == ForwardSpec::ANY_PORT) {
    inside = outside;
  }
  std::vector<PublishedPort> ports;
  for (std::size_t i = 0; i < outside.size(); ++i) {
    ports.push_back({scheme_protocol(spec.scheme),
                     {external, static_cast<std::uint16_t>(outside.first + i)},
                     {internal, static_cast<std::uint16_t>(inside.first + i)}});
  }
  return ports;
}

std::string external_text(const PublishedPort& port)
{
  return fmt::format("{}://{}", protocol_name(port.protocol), port.external.to_string());
}

} // namespace slirpstack
