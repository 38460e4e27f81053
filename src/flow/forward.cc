#include "flow/forward.hh"

#include "base/error.hh"
#include "flow/forward_check.hh"

#include <algorithm>
#include <cassert>
#include <fmt/format.h>

namespace slirpstack {

namespace {

using Place = ForwardSpec::Place;
using Side = ForwardSpec::Side;

/// A place whose name, if it had one, is known.
struct Known
{
  IpAddress address;
  PortRange ports;

  /// For the port of that number, from 0, among those that are bound. A single one is for all.
  [[nodiscard]] std::uint16_t port(std::size_t number) const
  {
    return ports.size() == 1 ? ports.first : static_cast<std::uint16_t>(ports.first + number);
  }
};

/// Takes the places of a spec in the order of names_to_resolve, and for each name the next of
/// what the names have turned out to be.
class Resolution
{
public:
  explicit Resolution(const std::vector<ResolvedName>& resolved) : next_(resolved.begin()) {}

  Known take(const Place& place)
  {
    assert(!std::holds_alternative<std::monostate>(place.host) && place.ports);
    if (const auto* const address = std::get_if<IpAddress>(&place.host)) {
      return {*address, *place.ports};
    }
    const ResolvedName& name = *next_++;
    if (name.port == 0) {
      return {name.address, *place.ports};
    }
    if (place.ports->size() > 1) {
      throw UsageError(fmt::format("{}: says that the port is {}, which ports {} cannot all be",
                                   std::get<HostName>(place.host).to_string(),
                                   name.port,
                                   place.ports->to_string()));
    }
    return {name.address, {name.port, name.port}};
  }

private:
  std::vector<ResolvedName>::const_iterator next_;
};

void plan_local(const ForwardSpec& spec, Resolution& resolution, ForwardPlan& plan)
{
  const auto* const bind = std::get_if<Place>(&spec.bind);
  const Known bound = bind == nullptr ? Known() : resolution.take(*bind);
  std::vector<Known> targets;
  for (const Side& target : spec.targets) {
    targets.push_back(resolution.take(std::get<Place>(target)));
  }
  for (std::size_t number = 0; number < bound.ports.size(); ++number) {
    LocalForward forward;
    forward.scheme = spec.scheme;
    if (bind == nullptr) {
      forward.listen.address = std::get<UnixPath>(spec.bind);
    } else {
      forward.listen
        = {.address = Endpoint{bound.address, bound.port(number)}, .device = bind->device};
    }
    forward.follows_map = spec.has_default_targets;
    for (const Known& target : targets) {
      forward.targets.push_back({target.address, target.port(number)});
    }
    plan.local.push_back(std::move(forward));
  }
}

/// What the bound port of that number stands for; port 0 is that port itself, unless an SRV
/// record is going to name another.
Target target_of(const Side& side, std::size_t number, std::uint16_t bound_port)
{
  if (const auto* const unix = std::get_if<UnixPath>(&side)) {
    return *unix;
  }
  const auto& place = std::get<Place>(side);
  const std::uint16_t typed = Known{{}, place.ports.value()}.port(number);
  const std::uint16_t port = typed == 0 ? bound_port : typed;
  if (const auto* const name = std::get_if<HostName>(&place.host)) {
    return NamedTarget{*name, name->server ? typed : port};
  }
  return Endpoint{std::get<IpAddress>(place.host), port};
}

void plan_remote(const ForwardSpec& spec, Resolution& resolution, ForwardPlan& plan)
{
  const Known bound = resolution.take(std::get<Place>(spec.bind));
  for (std::size_t number = 0; number < bound.ports.size(); ++number) {
    RemoteForward forward{
      .scheme = spec.scheme, .match = {bound.address, bound.port(number)}, .targets = {}};
    for (const Side& target : spec.targets) {
      forward.targets.push_back(target_of(target, number, forward.match.port));
    }
    plan.remote.push_back(std::move(forward));
  }
}

} // namespace

std::vector<HostName> names_to_resolve(const ForwardSpec& spec)
{
  std::vector<HostName> names;
  const auto add = [&names](const Side& side) {
    const auto* const place = std::get_if<Place>(&side);
    if (place != nullptr && std::holds_alternative<HostName>(place->host)) {
      names.push_back(std::get<HostName>(place->host));
    }
  };
  add(spec.bind);
  if (spec.direction == ForwardDirection::local) {
    std::ranges::for_each(spec.targets, add);
  }
  return names;
}

ForwardPlan plan_forward(const ForwardSpec& spec, const std::vector<ResolvedName>& resolved)
{
  check_forward(spec);
  assert(resolved.size() == names_to_resolve(spec).size());
  ForwardPlan plan;
  plan.spec = spec;
  Resolution resolution(resolved);
  if (spec.direction == ForwardDirection::local) {
    plan_local(spec, resolution, plan);
  } else {
    plan_remote(spec, resolution, plan);
  }
  return plan;
}

} // namespace slirpstack
