#include "accel/running_nat.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "wire/protocol_name.hh"

#include <arpa/inet.h>
#include <cerrno>
#include <fmt/format.h>
#include <utility>

namespace slirpstack {

namespace {

// The shortest timeout is a minute (RFC 5508 REQ-2); a binding may last this much longer.
constexpr std::chrono::seconds SWEEP_PERIOD(10);

// What has not heard of us for so long takes us for dead: a turn of the loop takes milliseconds.
constexpr std::chrono::seconds HEARTBEAT_PERIOD(1);
constexpr std::chrono::seconds HEARTBEAT_LASTS(4);

/// Those that there is room for in a PortPool.
constexpr std::uint64_t MOST_ADDRESSES = 65536;

// A flood from outside leaves the guests as much (RFC 6888 REQ-5).
constexpr std::uint32_t VISITORS_PART = 2;

/// As the programs see the time.
std::chrono::nanoseconds now()
{
  return Clock::now().time_since_epoch();
}

/// RFC 7422: which ports an address has for itself.
PortRange block_of(const NatPlan& plan, std::uint16_t port)
{
  const unsigned number = (port - plan.ports.first) / plan.block_ports;
  const unsigned first = plan.ports.first + number * plan.block_ports;
  return {static_cast<std::uint16_t>(first),
          static_cast<std::uint16_t>(first + plan.block_ports - 1)};
}

std::vector<IpAddress> all_of(const std::vector<AddressRange>& ranges)
{
  std::vector<IpAddress> addresses;
  for (const AddressRange& range : ranges) {
    for (std::uint64_t i = 0; i < range.size(); ++i) {
      addresses.push_back(
        IpAddress::ipv4(static_cast<std::uint32_t>(range.first.ipv4_value() + i)));
    }
  }
  return addresses;
}

PortPool::Options pool_options(const RunningNat::Settings& settings)
{
  const NatPlan& plan = settings.plan;
  return {.first_port = plan.ports.first,
          .last_port = plan.ports.last,
          .has_low_ports = !plan.pool_is_local,
          .block_ports = static_cast<std::uint16_t>(plan.block_ports),
          .quota = plan.quota,
          .is_shared = settings.is_shared};
}

} // namespace

RunningNat::RunningNat(Loop& loop, const Settings& settings)
  : settings_(settings)
  , pin_lock_(settings.pin_folder)
  , nat_(settings.hook, settings.sizes, settings.pin_folder)
  , interfaces_(nat_.object().map("interfaces"))
  , ledger_(nat_.object())
  , zones_(former_zones())
  , routes_(loop, nat_.object(), settings.external, settings.ways)
  , prefixes_(nat_.object())
  , mapped_(nat_.object(),
            settings.timeouts,
            {.max_flows = settings.sizes.sessions, .is_shared = settings.is_shared},
            [this] { look_after_bindings(); })
  , expiry_(make_expiry())
  , events_(nat_.object(), [this](const nat_event& event) { on_event(event); })
  , event_watch_(loop, events_.fd(), [this] { events_.read(); })
  , sweep_(loop, [this] { sweep(); })
  , heartbeat_(loop, [this] { beat(); })
{
  interfaces_.clear();
  nat_settings first = settings_of(settings_.plan, next_generation());
  first.recent_sets = nat_.object().recent_sets();
  first.max_visitors = settings_.sizes.sessions / VISITORS_PART;
  NatTable<std::uint32_t, nat_settings>(nat_.object().map("settings")).put(0, first);
  nat_.attach_external(static_cast<int>(routes_.link().index));
  if (nat_.has_filters()) {
    start_heartbeat();
  }
}

void RunningNat::start_heartbeat()
{
  beat();
  NatTable<std::uint32_t, nat_settings> settings(nat_.object().map("settings"));
  nat_settings asked = settings.find(0).value_or(nat_settings{});
  asked.flags |= NAT_HEARTBEAT;
  settings.put(0, asked);
}

void RunningNat::beat()
{
  const std::chrono::nanoseconds until = now() + HEARTBEAT_LASTS;
  NatTable<std::uint32_t, std::uint64_t>(nat_.object().map("heartbeat"))
    .put(0, static_cast<std::uint64_t>(until.count()));
  heartbeat_.set(Loop::now() + HEARTBEAT_PERIOD);
}

RunningNat::~RunningNat() = default;

NatExpiry RunningNat::make_expiry()
{
  if (settings_.plan.kernel_allocates) {
    make_publisher();
    return {nat_.object(), settings_.timeouts, [this](const auto& internal, const auto& external) {
              log_ended(internal, external);
            }};
  }
  writer_.emplace(make_writer());
  return {nat_.object(), settings_.timeouts, {}, &*writer_};
}

/// In the kernel's own NAT only what is published is made here.
void RunningNat::make_publisher()
{
  std::uint64_t addresses = 0;
  for (const AddressRange& range : settings_.plan.external) {
    addresses += range.size();
  }
  if (addresses <= MOST_ADDRESSES) {
    publisher_.emplace(
      nat_.object(),
      PortPool(all_of(settings_.plan.external),
               {.first_port = settings_.plan.ports.first, .last_port = settings_.plan.ports.last},
               HashSecret::random()),
      BindingWriter::Limits{});
  }
}

BindingWriter RunningNat::make_writer()
{
  PortPool pool(all_of(settings_.plan.external), pool_options(settings_), HashSecret::random());
  if (settings_.logs_bindings) {
    pool.set_block_log(
      [this](const PortBlock& block, bool is_assigned) { log_block(block, is_assigned); });
  }
  return {nat_.object(),
          std::move(pool),
          {.max_flows = settings_.sizes.bindings, .is_shared = settings_.is_shared},
          [this](const nat_endpoint& internal, const nat_endpoint& external, bool is_bound) {
            if (is_bound) {
              look_after_bindings();
              log_bound(internal, external);
            } else {
              log_ended(internal, external);
            }
          }};
}

/// What a predecessor's policy has allowed, this one's has not; the kernel by itself has none.
std::uint32_t RunningNat::next_generation() const
{
  const NatTable<std::uint32_t, nat_settings> settings(nat_.object().map("settings"));
  return settings.find(0).value_or(nat_settings{}).generation + (writer_ ? 1 : 0);
}

std::map<unsigned, unsigned> RunningNat::former_zones() const
{
  std::map<unsigned, unsigned> zones;
  interfaces_.for_each(
    [&](std::uint32_t interface, const nat_interface& former) { zones[interface] = former.zone; });
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
  end_unplanned();
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
  if (const std::size_t kept = ledger_.bindings(); kept > 0) {
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
    const NatExpiry::Swept swept = expiry_.sweep(now());
    if (swept.left + mapped_.sweep(now()) > 0) {
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
    case NAT_EVENT_UNRESOLVED6:
      routes_.resolve(IpAddress(ByteView(event.address)));
      break;
    default:
      break;
  }
}

// RFC 6888 REQ-12: protocol, subscriber, external address and port, and the time, which each line
// has; not the destination. With blocks one line for all of an address's ports.
void RunningNat::log_bound(const nat_endpoint& internal, const nat_endpoint& external)
{
  if (!settings_.logs_bindings || (writer_ && settings_.plan.block_ports != 0)) {
    return; // or the pool tells of its blocks
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

void RunningNat::log_block(const PortBlock& block, bool is_assigned) const
{
  const unsigned zone = block.zone;
  log_record(is_assigned ? "ports of a subscriber" : "ports no longer of a subscriber",
             {{"internal", block.internal.to_string()},
              {"zone", zone},
              {"external", block.external.to_string()},
              {"ports", PortRange{block.first, block.last}.to_string()}});
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
