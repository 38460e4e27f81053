#include "accel/running_nat.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "wire/ip.hh"

#include <arpa/inet.h>
#include <cerrno>
#include <fmt/format.h>
#include <time.h>

namespace slirpstack {

namespace {

// The shortest timeout is a minute (RFC 5508 REQ-2); a binding may last this much longer.
constexpr std::chrono::seconds SWEEP_PERIOD(10);

// The kernel alone decides, or no decision is ever taken back.
constexpr std::uint32_t FIRST_GENERATION = 1;

/// As the programs see the time.
std::chrono::nanoseconds kernel_time()
{
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

std::string_view protocol_name(std::uint8_t protocol)
{
  return protocol == PROTOCOL_TCP ? "tcp" : protocol == PROTOCOL_UDP ? "udp" : "icmp";
}

/// RFC 7422: which ports an address has for itself.
PortRange block_of(const NatPlan& plan, std::uint16_t port)
{
  const unsigned number = (port - plan.ports.first) / plan.block_ports;
  const unsigned first = plan.ports.first + number * plan.block_ports;
  return {static_cast<std::uint16_t>(first),
          static_cast<std::uint16_t>(first + plan.block_ports - 1)};
}

} // namespace

RunningNat::RunningNat(Loop& loop, const Settings& settings)
  : settings_(settings)
  , nat_(settings.hook, settings.sizes, settings.pin_folder)
  , interfaces_(nat_.object().map("interfaces"))
  , ledger_(nat_.object())
  , zones_(former_zones())
  , routes_(loop, nat_.object(), settings.external, settings.ways)
  , expiry_(nat_.object(),
            settings.timeouts,
            [this](const nat_endpoint& internal, const nat_endpoint& external) {
              log_ended(internal, external);
            })
  , events_(nat_.object(), [this](const nat_event& event) { on_event(event); })
  , event_watch_(loop, events_.fd(), [this] { events_.read(); })
  , sweep_(loop, [this] { sweep(); })
{
  interfaces_.clear();
  nat_settings first = settings_of(settings_.plan, FIRST_GENERATION);
  first.recent_sets = nat_.object().recent_sets();
  NatTable<std::uint32_t, nat_settings>(nat_.object().map("settings")).put(0, first);
  nat_.attach_external(static_cast<int>(routes_.link().index));
}

RunningNat::~RunningNat() = default;

std::map<unsigned, unsigned> RunningNat::former_zones() const
{
  std::map<unsigned, unsigned> zones;
  interfaces_.for_each(
    [&](std::uint32_t interface, const nat_interface& former) { zones[interface] = former.zone; });
  return zones;
}

void RunningNat::add_guest(const Guest& guest)
{
  const auto zone = zones_.take(static_cast<unsigned>(guest.interface));
  if (!zone) {
    throw std::system_error(ENOSPC, std::generic_category(), "find a zone for one more guest");
  }
  zone_of_[guest.interface] = *zone;
  guests_[guest.interface] = guest;
  ledger_.move_guests(*zone, static_cast<unsigned>(guest.interface), guest.mac);
  interfaces_.put(static_cast<std::uint32_t>(guest.interface),
                  {static_cast<std::uint32_t>(guest.tap), *zone});
  if (guest.tap != 0) {
    interfaces_.put(static_cast<std::uint32_t>(guest.tap),
                    {static_cast<std::uint32_t>(guest.interface), *zone});
    nat_.attach_tap(guest.tap);
  }
  nat_.attach_guest(guest.interface);
}

void RunningNat::remove_guest(int interface)
{
  const auto guest = guests_.find(interface);
  if (guest == guests_.end()) {
    return;
  }
  const int tap = guest->second.tap;
  for (const int each : {interface, tap}) {
    if (each != 0) {
      nat_.detach(each);
      interfaces_.erase(static_cast<std::uint32_t>(each));
    }
  }
  zones_.give_back(zone_of_[interface]);
  zone_of_.erase(interface);
  guests_.erase(guest);
  ledger_.keep_planned(settings_.plan, zones_.taken(), kernel_time());
  look_after_bindings(); // their ports rest
}

std::vector<int> RunningNat::guests() const
{
  std::vector<int> interfaces;
  for (const auto& [interface, guest] : guests_) {
    interfaces.push_back(interface);
  }
  return interfaces;
}

void RunningNat::end_adoption()
{
  zones_.forget_former();
  const std::size_t kept = ledger_.keep_planned(settings_.plan, zones_.taken(), kernel_time());
  if (kept > 0) {
    log(LogLevel::info, "bindings taken over from a predecessor", {{"bindings", kept}});
  }
  look_after_bindings(); // sessions may be left of those that were not
}

void RunningNat::look_after_bindings()
{
  if (sweep_.deadline() == NEVER) {
    sweep_.set(Loop::now() + SWEEP_PERIOD);
  }
}

void RunningNat::sweep()
{
  try {
    const NatExpiry::Swept swept = expiry_.sweep(kernel_time());
    if (swept.left > 0) {
      look_after_bindings();
      routes_.refresh_gateways();
    }
  } catch (const std::system_error& error) {
    log(LogLevel::warning, "cannot end silent bindings", {{"reason", error.what()}});
    look_after_bindings();
  }
}

void RunningNat::on_event(const nat_event& event)
{
  const Endpoint internal = endpoint_of(event.internal);
  const unsigned zone = event.internal.zone;
  switch (event.kind) {
    case NAT_EVENT_BOUND:
      look_after_bindings();
      log_bound(event.internal, event.external);
      break;
    case NAT_EVENT_EXHAUSTED:
      log(LogLevel::warning,
          "no external port is left for a guest, or no room",
          {{"internal", internal.to_string()}, {"zone", zone}});
      break;
    case NAT_EVENT_QUOTA:
      log(LogLevel::warning,
          "a guest has as many ports as -port-quota allows",
          {{"internal", internal.to_string()}, {"zone", zone}});
      break;
    case NAT_EVENT_UNRESOLVED:
      routes_.resolve(address_of(event.external.address));
      break;
    default:
      break;
  }
}

// RFC 6888 REQ-12: protocol, subscriber, external address and port, and the time, which each line
// has; not the destination. With blocks one line for all of an address's ports.
void RunningNat::log_bound(const nat_endpoint& internal, const nat_endpoint& external)
{
  if (!settings_.logs_bindings) {
    return;
  }
  const unsigned zone = internal.zone;
  if (settings_.plan.block_ports == 0) {
    log_record("bound",
               {{"protocol", protocol_name(internal.protocol)},
                {"internal", endpoint_of(internal).to_string()},
                {"zone", zone},
                {"external", endpoint_of(external).to_string()}});
    return;
  }
  const std::uint64_t subscriber = (std::uint64_t{zone} << 32U) | internal.address;
  if (logged_blocks_.insert(subscriber).second) {
    log_record("ports of a subscriber",
               {{"internal", address_of(internal.address).to_string()},
                {"zone", zone},
                {"external", address_of(external.address).to_string()},
                {"ports", block_of(settings_.plan, ntohs(external.port)).to_string()}});
  }
}

void RunningNat::log_ended(const nat_endpoint& internal, const nat_endpoint& external) const
{
  if (!settings_.logs_bindings || settings_.plan.block_ports != 0) {
    return;
  }
  const unsigned zone = internal.zone;
  log_record("unbound",
             {{"protocol", protocol_name(internal.protocol)},
              {"internal", endpoint_of(internal).to_string()},
              {"zone", zone},
              {"external", endpoint_of(external).to_string()}});
}

} // namespace slirpstack
