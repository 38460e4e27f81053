#include "flow/forward_check.hh"

#include "base/error.hh"
#include "base/quoted.hh"
#include "wire/ip.hh"

#include <algorithm>
#include <fmt/format.h>

namespace slirpstack {

namespace {

using Place = ForwardSpec::Place;
using Side = ForwardSpec::Side;

std::string unix_text(const UnixPath& path)
{
  return quoted("unix:" + path.path);
}

void check_unix_sides(const ForwardSpec& spec)
{
  const bool is_local = spec.direction == ForwardDirection::local;
  const auto check = [&](const Side& side, bool is_guest_side) {
    const auto* const unix = std::get_if<UnixPath>(&side);
    if (unix == nullptr) {
      return;
    }
    if (is_guest_side) {
      throw UsageError(fmt::format("{}: the guest's side is an address and a port; only the host's "
                                   "can be a Unix socket",
                                   unix_text(*unix)));
    }
    if (scheme_protocol(spec.scheme) == PROTOCOL_UDP) {
      throw UsageError(fmt::format(
        "{}: a Unix socket carries streams, not {}", unix_text(*unix), scheme_name(spec.scheme)));
    }
  };
  check(spec.bind, !is_local);
  std::ranges::for_each(spec.targets, [&](const Side& target) { check(target, is_local); });
}

void check_devices(const ForwardSpec& spec)
{
  const auto check = [](const Side& side, std::string_view where) {
    const auto* const place = std::get_if<Place>(&side);
    if (place != nullptr && !place->device.empty()) {
      throw UsageError(fmt::format("device {}: {}", quoted(place->device), where));
    }
  };
  if (spec.direction == ForwardDirection::remote) {
    check(spec.bind, "the guest's side has no devices of the host");
  }
  for (const Side& target : spec.targets) {
    check(target, "only where -L binds can a device be named");
  }
}

void check_target_ports(const ForwardSpec& spec, const Place& target)
{
  const PortRange bound = spec.bound_ports();
  const PortRange ports = target.ports.value_or(bound);
  const auto* const unix = std::get_if<UnixPath>(&spec.bind);
  // A PROXY header may say the port.
  if (unix != nullptr && ports == ForwardSpec::ANY_PORT && spec.scheme != ForwardScheme::tcppp) {
    throw UsageError(
      fmt::format("{}: has no port for the target to take over; name one", unix_text(*unix)));
  }
  if (ports != ForwardSpec::ANY_PORT && ports.size() != bound.size()) {
    throw UsageError(fmt::format("target ports {}: are {}, but those that are bound {}",
                                 quoted(ports.to_string()),
                                 ports.size(),
                                 bound.size()));
  }
}

void check_ports(const ForwardSpec& spec)
{
  for (const Side& side : spec.targets) {
    if (const auto* const target = std::get_if<Place>(&side)) {
      check_target_ports(spec, *target);
    }
  }
}

} // namespace

void check_forward(const ForwardSpec& spec)
{
  check_unix_sides(spec);
  check_devices(spec);
  check_ports(spec);
}

void check_not_blank(ForwardDirection direction, std::string_view text)
{
  const std::size_t scheme_end = text.find("://");
  const std::size_t begin = scheme_end == std::string_view::npos ? 0 : scheme_end;
  if (text.find_first_not_of(":/,[]", begin) == std::string_view::npos) {
    throw UsageError(direction == ForwardDirection::local
                       ? "must name a port; 0 is one of the host's choice"
                       : "must name a port");
  }
}

} // namespace slirpstack
