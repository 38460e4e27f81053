// A first byte says which way, the rest is a forward as it is typed. It becomes a plan, or a
// UsageError of one line.

#include "flow/forward_spec.hh"

#include "base/error.hh"
#include "flow/forward.hh"
#include "require.hh"

#include <algorithm>

using namespace slirpstack;

namespace {

// A range of all ports would take most of the fuzzer's time.
constexpr std::size_t MOST_PLANNED_PORTS = 256;

const ForwardDefaults DEFAULTS{.guest_ipv4 = IpAddress::ipv4(0x0a000264),
                               .guest_ipv6 = IpAddress::parse("fd00::100").value(),
                               .gateway_ipv4 = IpAddress::ipv4(0x0a000202),
                               .gateway_ipv6 = IpAddress::parse("fd00::2").value()};

void check_name(const HostName& name)
{
  require(!name.name.empty() && name.to_string().find('\n') == std::string::npos);
  require(!name.server || (!name.server->host.empty() && name.server->port != 0));
}

void check_side(const ForwardSpec::Side& side)
{
  if (const auto* const unix = std::get_if<UnixPath>(&side)) {
    require(unix->path.size() >= 2 && unix->path.size() <= 107);
    return;
  }
  const auto& place = std::get<ForwardSpec::Place>(side);
  require(place.device.size() <= 15);
  require(!place.ports || place.ports->first <= place.ports->last);
  if (const auto* const name = std::get_if<HostName>(&place.host)) {
    check_name(*name);
  }
}

void check_plan(const ForwardSpec& spec)
{
  const std::vector<ResolvedName> names(names_to_resolve(spec).size(), {DEFAULTS.guest_ipv4, 0});
  const ForwardPlan plan = plan_forward(spec, names);
  require(plan.local.empty() != plan.remote.empty());
  for (const LocalForward& forward : plan.local) {
    require(forward.targets.size() == spec.targets.size());
  }
  for (const RemoteForward& forward : plan.remote) {
    require(forward.targets.size() == spec.targets.size());
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  if (size == 0) {
    return 0;
  }
  const bool is_local = data[0] != 'R';
  const std::string text(data + 1, data + size);
  try {
    const ForwardSpec spec
      = ForwardSpec::parse(is_local ? ForwardDirection::local : ForwardDirection::remote, text);
    require(spec.text == text);
    check_side(spec.bind);
    std::ranges::for_each(spec.targets, check_side);
    const ForwardSpec filled = with_defaults(spec, DEFAULTS);
    const auto* const bind = std::get_if<ForwardSpec::Place>(&filled.bind);
    if (bind == nullptr || bind->ports->size() <= MOST_PLANNED_PORTS) {
      check_plan(filled);
    }
  } catch (const UsageError& error) {
    const std::string_view reason = error.what();
    require(!reason.empty() && reason.find('\n') == std::string_view::npos);
  }
  return 0;
}
