#include "accel/expiry.hh"

#include "accel/nat_endpoints.hh"
#include "wire/ip.hh"

#include <algorithm>
#include <utility>

namespace slirpstack {

namespace {

using std::chrono::nanoseconds;

/// An external TCP endpoint as a number.
std::uint64_t number_of(__be32 address, __be16 port)
{
  return (std::uint64_t{address} << 16U) | port;
}

bool is_closed(const nat_session_key& key, const nat_session& session)
{
  switch (session.state) {
    case NAT_TCP_FIN_BOTH:
    case NAT_TCP_RESET:
    case NAT_TCP_REFUSED_OUT:
    case NAT_TCP_REFUSED_IN:
      return key.protocol == PROTOCOL_TCP;
    default:
      return false;
  }
}

/// A time of the kernel's may be newer than ours.
bool is_silent(std::uint64_t last, nanoseconds timeout, nanoseconds now)
{
  return nanoseconds(last) + timeout <= now;
}

} // namespace

NatExpiry::NatExpiry(const NatObject& object,
                     const Timeouts& timeouts,
                     OnEnded on_ended,
                     NatEndings* maker)
  : timeouts_(timeouts)
  , on_ended_(std::move(on_ended))
  , maker_(maker)
  , both_(object)
  , bindings_(object.map("bindings"))
  , owners_(object.map("owners"))
  , sessions_(object.map("sessions"))
  , visitors_(object.map("visitors"))
  , subscribers_(object.map("subscribers"))
  , released_(object.map("released"))
{}

std::optional<NatExpiry::Swept> NatExpiry::step(nanoseconds now)
{
  Sweep sweep = sweep_ ? *std::exchange(sweep_, std::nullopt) : begin();
  advance(sweep, now);
  if (sweep.phase == Phase::over) {
    return sweep.swept;
  }
  sweep_ = std::move(sweep);
  return std::nullopt;
}

NatExpiry::Swept NatExpiry::sweep(nanoseconds now)
{
  sweep_.reset();
  while (true) {
    if (const std::optional<Swept> swept = step(now)) {
      return *swept;
    }
  }
}

NatExpiry::Sweep NatExpiry::begin() const
{
  Sweep sweep;
  sweep.visitors_come = visitors_.find(NAT_VISITORS_COME).value_or(0);
  return sweep;
}

void NatExpiry::advance(Sweep& sweep, nanoseconds now)
{
  switch (sweep.phase) {
    case Phase::sessions:
      sweep_sessions(sweep, now);
      break;
    case Phase::bindings:
      sweep_bindings(sweep, now);
      break;
    case Phase::ports:
      sweep_ports(sweep);
      break;
    case Phase::orphans:
      sweep_orphans(sweep);
      if (sweep.phase == Phase::subscribers) {
        free_ports(sweep, now);
      }
      break;
    case Phase::subscribers:
      forget_subscribers(sweep);
      break;
    case Phase::over:
      break;
  }
}

/// Who comes meanwhile may count twice until the next sweep, and never not at all.
void NatExpiry::sweep_sessions(Sweep& sweep, nanoseconds now)
{
  std::vector<nat_session_key> silent;
  std::vector<nat_session_key> closed;
  sessions_.visit_some(sweep.sessions, [&](const nat_session_key& key, const nat_session& session) {
    ++sweep.swept.left;
    if (is_silent(session.last, timeouts_.of_session(key, session) + timeouts_.lag(), now)) {
      silent.push_back(key);
      return;
    }
    sweep.visitors_here += (session.flags & NAT_VISITOR) != 0 ? 1 : 0;
    if (is_closed(key, session) && (session.flags & NAT_RELEASED) == 0) {
      closed.push_back(key);
    }
    if (key.protocol == PROTOCOL_TCP && session.state != NAT_TCP_NONE) {
      sweep.connected.insert(number_of(key.address, key.port));
    }
  });
  for (const nat_session_key& key : silent) {
    end_session(key);
  }
  if (maker_ != nullptr) {
    for (const nat_session_key& key : closed) {
      maker_->on_session_closed(key);
    }
  }
  sweep.swept.sessions += silent.size();
  sweep.swept.left -= silent.size();
  if (sweep.sessions.is_at_end()) {
    visitors_.put(NAT_VISITORS_GONE, sweep.visitors_come - sweep.visitors_here);
    sweep.phase = Phase::bindings;
  }
}

void NatExpiry::sweep_bindings(Sweep& sweep, nanoseconds now)
{
  std::vector<BoundEndpoints> silent;
  bindings_.visit_some(
    sweep.bindings, [&](const nat_endpoint& internal, const nat_binding& binding) {
      const bool is_connected
        = internal.protocol == PROTOCOL_TCP
          && sweep.connected.contains(number_of(binding.address, binding.port));
      const nanoseconds timeout = timeouts_.of_binding(internal.protocol);
      if ((binding.flags & NAT_STATIC) != 0 || is_connected
          || !is_silent(binding.last_out, timeout + timeouts_.lag(), now)) {
        return;
      }
      const nat_endpoint external{binding.address, binding.port, internal.protocol, 0};
      const auto owner = owners_.find(external);
      if (!owner || is_silent(owner->last_in, timeout, now)) {
        silent.push_back({internal, external});
      }
    });
  for (const BoundEndpoints& binding : silent) {
    end_binding(binding, now);
  }
  sweep.swept.bindings += silent.size();
  if (sweep.bindings.is_at_end()) {
    sweep.phase = Phase::ports;
  }
}

void NatExpiry::sweep_ports(Sweep& sweep)
{
  owners_.visit_some(sweep.ports, [&](const nat_endpoint& external, const nat_owner& owner) {
    sweep.swept.left += (owner.flags & NAT_RESERVED) != 0 ? 0 : 1; // a forward has visitors, untold
    if ((owner.flags & NAT_QUARANTINED) == 0) {
      return;
    }
    sweep.at_rest.insert(external);
    if ((owner.flags & NAT_RESERVED) == 0) {
      sweep.resting.push_back({owner.last_in, external});
    }
  });
  if (sweep.ports.is_at_end()) {
    sweep.phase = Phase::orphans;
  }
}

/// Whoever has the port next shall not have its visitors.
void NatExpiry::sweep_orphans(Sweep& sweep)
{
  std::vector<nat_session_key> orphans;
  if (!sweep.at_rest.empty()) {
    sessions_.visit_some(sweep.orphans, [&](const nat_session_key& key, const nat_session&) {
      if (sweep.at_rest.contains(external_of(key)) && is_at_rest(external_of(key))) {
        orphans.push_back(key);
      }
    });
  }
  for (const nat_session_key& key : orphans) {
    end_session(key);
  }
  sweep.swept.left -= std::min(sweep.swept.left, orphans.size());
  if (sweep.at_rest.empty() || sweep.orphans.is_at_end()) {
    sweep.phase = Phase::subscribers;
  }
}

/// Since the sweep has seen it, a port may have got its guest back.
bool NatExpiry::is_at_rest(const nat_endpoint& external) const
{
  const auto owner = owners_.find(external);
  return owner && (owner->flags & NAT_QUARANTINED) != 0;
}

/// Those that have rested, and of the others the oldest that are too many.
void NatExpiry::free_ports(Sweep& sweep, nanoseconds now)
{
  std::vector<Resting>& resting = sweep.resting;
  auto end = std::partition(resting.begin(), resting.end(), [&](const Resting& port) {
    return is_silent(port.since, timeouts_.quarantine, now);
  });
  const auto others = static_cast<std::size_t>(resting.end() - end);
  if (timeouts_.quarantine_ports != 0 && others > timeouts_.quarantine_ports) {
    const auto first = end;
    end += static_cast<std::ptrdiff_t>(others - timeouts_.quarantine_ports);
    std::ranges::nth_element(first, end, resting.end(), {}, &Resting::since);
  }
  for (auto port = resting.begin(); port != end; ++port) {
    const auto owner = owners_.find(port->external);
    if (owner && (owner->flags & NAT_QUARANTINED) != 0 && owner->last_in == port->since) {
      owners_.erase(port->external);
      ++sweep.swept.ports;
    }
  }
  sweep.swept.left -= sweep.swept.ports;
}

void NatExpiry::end(const std::vector<BoundEndpoints>& bindings, nanoseconds now)
{
  Endpoints ended;
  for (const BoundEndpoints& binding : bindings) {
    end_binding(binding, now);
    ended.insert(binding.external);
  }
  end_sessions_through(ended);
}

void NatExpiry::end_sessions_through(const Endpoints& externals)
{
  std::vector<nat_session_key> orphans;
  if (!externals.empty()) {
    sessions_.for_each([&](const nat_session_key& key, const nat_session&) {
      if (externals.contains(external_of(key))) {
        orphans.push_back(key);
      }
    });
  }
  for (const nat_session_key& key : orphans) {
    end_session(key);
  }
}

void NatExpiry::end_session(const nat_session_key& session)
{
  both_.end_session(session);
  if (maker_ != nullptr) {
    maker_->on_session_ended(session);
  }
}

void NatExpiry::end_binding(const BoundEndpoints& binding, nanoseconds now)
{
  const auto& [internal, external] = binding;
  both_.end(internal, external, now);
  if (maker_ != nullptr) {
    maker_->on_binding_ended(internal, TimePoint(std::chrono::duration_cast<Duration>(now)));
  } else {
    const nat_subscriber_key subscriber{internal.address, internal.zone};
    if (subscribers_.find(subscriber)) { // else there is no quota
      released_.put(subscriber, released_.find(subscriber).value_or(0) + 1);
    }
  }
  if (on_ended_) {
    on_ended_(internal, external);
  }
}

/// Those without a binding: a guest may have used any number of addresses.
void NatExpiry::forget_subscribers(Sweep& sweep)
{
  std::vector<nat_subscriber_key> gone;
  subscribers_.visit_some(sweep.subscribers,
                          [&](const nat_subscriber_key& key, const nat_subscriber& subscriber) {
                            if (subscriber.opened == released_.find(key).value_or(0)) {
                              gone.push_back(key);
                            }
                          });
  for (const nat_subscriber_key& key : gone) {
    subscribers_.erase(key); // first: what the kernel counts meanwhile is not lost
    released_.erase(key);
  }
  if (sweep.subscribers.is_at_end()) {
    sweep.phase = Phase::over;
  }
}

} // namespace slirpstack
