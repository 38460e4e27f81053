#include "accel/running_nat.hh"

#include "accel/planned_pool.hh"
#include "base/error.hh"
#include "base/log.hh"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <utility>

namespace slirpstack {

namespace {

// The shortest timeout is a minute (RFC 5508 REQ-2); a binding may last this much longer.
constexpr std::chrono::seconds SWEEP_PERIOD(10);

// A flood from outside leaves the guests as much (RFC 6888 REQ-5).
constexpr std::uint32_t VISITORS_PART = 2;

/// As the programs see the time.
std::chrono::nanoseconds now()
{
  return Clock::now().time_since_epoch();
}

} // namespace

RunningNat::RunningNat(Loop& loop, const Settings& settings)
  : settings_(settings)
  , pin_lock_(settings.pin_folder)
  , claim_(settings.external)
  , nat_(settings.hook, settings.sizes, settings.pin_folder)
  , interfaces_(nat_.object().map("interfaces"))
  , program_settings_(nat_.object(),
                      settings.sizes.sessions / VISITORS_PART,
                      settings.timeouts.recent_ticks())
  , ledger_(nat_.object())
  , zones_(settings.plan.has_zones ? former_zones() : std::map<unsigned, unsigned>())
  , binding_log_(settings_.plan, settings.logs_bindings)
  , external_(settings.external, external_role())
  , routes_(
      loop,
      nat_.object(),
      [this] { return follow(); },
      settings.ways)
  , prefixes_(nat_.object(), [this] { look_after_bindings(); })
  , mapped_(nat_.object(),
            settings.timeouts,
            {.max_flows = settings.sizes.sessions, .is_shared = settings.is_shared},
            [this] { look_after_bindings(); })
  , expiry_(make_expiry())
  , events_(nat_.object(), [this](const nat_event& event) { on_event(event); })
  , event_watch_(loop, events_.fd(), [this] { events_.read(); })
  , sweep_(loop, [this] { sweep(); })
  , heartbeat_(loop, nat_.object())
{
  if (!claim_.is_only_one()) {
    log(
      LogLevel::warning,
      "another NAT of slirpstack's is at this interface: each needs addresses or ports of its own",
      {{"interface", settings_.external}});
  }
  had_bindings_ = !settings_.pin_folder.empty() && ledger_.bindings() > 0;
  interfaces_.clear();
  // What a predecessor's policy has allowed, this one's has not; the kernel by itself has none.
  program_settings_.begin(settings_.plan, program_settings_.generation() + (writer_ ? 1 : 0));
  if (!settings_.internal.empty()) {
    forwards_.emplace(loop, publisher(), settings_.plan);
    begin_forwards(); // first: nobody shall be given their ports
  }
  external_.attach();
  if (!settings_.internal.empty()) {
    internal_.emplace(settings_.internal, internal_role()).attach();
    warn_of_unrouted();
  }
  is_following_ = true;
  hold_fragments(loop);
  if (nat_.has_filters()) {
    heartbeat_.begin();
    program_settings_.expect_heartbeat();
  }
}

RunningNat::~RunningNat() = default;

/// A container may be without /dev/net/tun, which only this takes where no guest has a tap.
void RunningNat::hold_fragments(Loop& loop)
{
  try {
    early_.emplace(loop, nat_);
    program_settings_.hold_fragments();
  } catch (const std::system_error& error) {
    log(LogLevel::warning,
        "fragments that come before the first of their datagram will be lost",
        {{"reason", error.what()}});
  }
}

void RunningNat::begin_forwards()
{
  for (const ForwardSpec& spec : settings_.forwards) {
    try {
      forwards_->add(spec);
    } catch (const UsageError& error) {
      throw UsageError(
        fmt::format("invalid value \"{}\" for flag -L: {}", spec.text, error.what()));
    }
  }
}

NatExpiry RunningNat::make_expiry()
{
  if (settings_.plan.kernel_allocates) {
    if (fits_pool(settings_.plan)) { // only what is published is made here
      publisher_.emplace(nat_.object(),
                         make_pool(),
                         BindingWriter::Limits{},
                         [this](const auto& internal, const auto& external, bool is_bound) {
                           look_after_bindings();
                           binding_log_.forwarded(internal, external, is_bound);
                         });
    }
    return {nat_.object(), settings_.timeouts, [this](const auto& internal, const auto& external) {
              binding_log_.ended(internal, external);
            }};
  }
  writer_.emplace(
    nat_.object(),
    make_pool(),
    BindingWriter::Limits{.max_flows = settings_.sizes.bindings, .is_shared = settings_.is_shared},
    [this](const auto& internal, const auto& external, bool is_bound) {
      on_binding(internal, external, is_bound);
    });
  return {nat_.object(), settings_.timeouts, {}, &*writer_};
}

PortPool RunningNat::make_pool() const
{
  PortPool pool = planned_pool(settings_.plan, settings_.is_shared);
  if (binding_log_.is_kept()) {
    pool.set_block_log(BindingLog::block);
  }
  return pool;
}

void RunningNat::on_binding(const nat_endpoint& internal,
                            const nat_endpoint& external,
                            bool is_bound)
{
  if (is_bound) {
    look_after_bindings();
    binding_log_.bound(internal, external);
  } else {
    binding_log_.ended(internal, external);
  }
}

std::map<unsigned, unsigned> RunningNat::former_zones() const
{
  std::map<unsigned, unsigned> zones;
  interfaces_.for_each([&](std::uint32_t interface, const nat_interface& former) {
    if (former.zone < Zones::COUNT) {
      zones[interface] = former.zone;
    }
  });
  return zones;
}

std::uint8_t RunningNat::add_guest(const Guest& guest)
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
  return static_cast<std::uint8_t>(*zone);
}

void RunningNat::remove_guest(int interface)
{
  if (guests_.contains(interface)) {
    take_out(interface);
    end_unplanned();
  }
}

void RunningNat::take_out(int interface)
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
}

void RunningNat::end_unplanned()
{
  expiry_.end(ledger_.unplanned(settings_.plan, zones_.taken()), now());
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
  end_unplanned();
  if (writer_) {
    writer_->adopt(Clock::now());
  } else if (publisher_) {
    publisher_->end_former_statics(Clock::now());
  }
  mapped_.end_adoption();
  if (const std::size_t kept = ledger_.bindings(); had_bindings_ && kept > 0) {
    log(LogLevel::info, "bindings taken over from a predecessor", {{"bindings", kept}});
  }
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
    if (!swept_) {
      swept_ = expiry_.step(now());
      sweep_.set(Loop::now()); // others have their turn before it goes on
      return;
    }
    if (!mapped_.step(now())) {
      sweep_.set(Loop::now());
      return;
    }
    const NatExpiry::Swept swept = *std::exchange(swept_, std::nullopt);
    if (swept.left + mapped_.size() + prefixes_.open() > 0) {
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
      binding_log_.bound(event.internal, event.external);
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
      routes_.resolve(address_of(event.external.address), std::pair(zone, internal.address));
      break;
    case NAT_EVENT_UNPLACED:
      if (forwards_) {
        forwards_->find(internal.address);
      }
      break;
    case NAT_EVENT_UNRESOLVED6:
      routes_.resolve(IpAddress(ByteView(event.address)));
      break;
    default:
      break;
  }
}

} // namespace slirpstack
