#include "accel/expiry.hh"

#include "accel/nat_endpoints.hh"
#include "wire/ip.hh"

#include <algorithm>
#include <iterator>
#include <utility>

namespace slirpstack {

namespace {

using std::chrono::nanoseconds;

/// An external TCP endpoint as a number.
std::uint64_t number_of(__be32 address, __be16 port)
{
  return (std::uint64_t{address} << 16U) | port;
}

// Sent packets are noted late.
constexpr nanoseconds LAG(NAT_RECENT_NS);

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

NatExpiry::Swept NatExpiry::sweep(nanoseconds now)
{
  Swept swept;
  left_ = 0;
  swept.sessions = sweep_sessions(now);
  swept.bindings = sweep_bindings(now);
  swept.ports = free_ports(now);
  forget_subscribers();
  swept.left = left_;
  return swept;
}

std::chrono::seconds NatExpiry::session_timeout(const nat_session_key& key,
                                                const nat_session& session) const
{
  if (key.protocol != PROTOCOL_TCP || session.state == NAT_TCP_NONE) {
    return key.protocol == PROTOCOL_TCP ? timeouts_.tcp_established : binding_timeout(key.protocol);
  }
  // RFC 6146 section 3.5.2.2: a half-closed connection is established still.
  const bool is_open = session.state == NAT_TCP_ESTABLISHED || session.state == NAT_TCP_FIN_OUT
                       || session.state == NAT_TCP_FIN_IN;
  const bool is_released = (session.flags & NAT_RELEASED) != 0;
  if (is_open && !is_released) {
    return timeouts_.tcp_established;
  }
  const bool is_opening = session.state == NAT_TCP_SYN_OUT || session.state == NAT_TCP_SYN_IN;
  return is_opening && !is_released ? timeouts_.tcp_opening : timeouts_.tcp_closing;
}

std::chrono::seconds NatExpiry::binding_timeout(std::uint8_t protocol) const
{
  switch (protocol) {
    case PROTOCOL_TCP:
      return timeouts_.tcp_closing; // beyond its last connection
    case PROTOCOL_ICMP:
      return timeouts_.icmp;
    default:
      return timeouts_.udp;
  }
}

std::size_t NatExpiry::sweep_sessions(nanoseconds now)
{
  std::vector<nat_session_key> silent;
  std::vector<nat_session_key> closed;
  const std::uint32_t come = visitors_.find(NAT_VISITORS_COME).value_or(0);
  std::uint32_t here = 0;
  connected_.clear();
  sessions_.for_each([&](const nat_session_key& key, const nat_session& session) {
    ++left_;
    if (is_silent(session.last, session_timeout(key, session) + LAG, now)) {
      silent.push_back(key);
      return;
    }
    here += (session.flags & NAT_VISITOR) != 0 ? 1 : 0;
    if (is_closed(key, session) && (session.flags & NAT_RELEASED) == 0) {
      closed.push_back(key);
    }
    if (key.protocol == PROTOCOL_TCP && session.state != NAT_TCP_NONE) {
      connected_.insert(number_of(key.address, key.port));
    }
  });
  count_visitors(come, here);
  for (const nat_session_key& key : silent) {
    end_session(key);
  }
  if (maker_ != nullptr) {
    for (const nat_session_key& key : closed) {
      maker_->on_session_closed(key);
    }
  }
  left_ -= silent.size();
  return silent.size();
}

/// `come` is from before they were counted: who comes meanwhile may count twice until the next
/// sweep, and never not at all.
void NatExpiry::count_visitors(std::uint32_t come, std::uint32_t here)
{
  visitors_.put(NAT_VISITORS_GONE, come - here);
}

std::size_t NatExpiry::sweep_bindings(nanoseconds now)
{
  std::vector<BoundEndpoints> silent;
  bindings_.for_each([&](const nat_endpoint& internal, const nat_binding& binding) {
    const bool is_connected = internal.protocol == PROTOCOL_TCP
                              && connected_.contains(number_of(binding.address, binding.port));
    const nanoseconds timeout = binding_timeout(internal.protocol);
    if ((binding.flags & NAT_STATIC) != 0 || is_connected
        || !is_silent(binding.last_out, timeout + LAG, now)) {
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
  return silent.size();
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

/// Whoever has the port next shall not have its visitors.
std::size_t NatExpiry::end_sessions_through(const Endpoints& externals)
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
  return orphans.size();
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
void NatExpiry::forget_subscribers()
{
  std::vector<nat_subscriber_key> gone;
  subscribers_.for_each([&](const nat_subscriber_key& key, const nat_subscriber& subscriber) {
    if (subscriber.opened == released_.find(key).value_or(0)) {
      gone.push_back(key);
    }
  });
  for (const nat_subscriber_key& key : gone) {
    subscribers_.erase(key); // first: what the kernel counts meanwhile is not lost
    released_.erase(key);
  }
}

/// Those that are too many.
std::vector<nat_endpoint> NatExpiry::take_oldest(std::vector<Resting>& resting) const
{
  std::vector<nat_endpoint> oldest;
  if (timeouts_.quarantine_ports != 0 && resting.size() > timeouts_.quarantine_ports) {
    const auto end
      = resting.begin() + static_cast<std::ptrdiff_t>(resting.size() - timeouts_.quarantine_ports);
    std::ranges::nth_element(resting, end, {}, &Resting::since);
    std::transform(resting.begin(), end, std::back_inserter(oldest), [](const Resting& each) {
      return each.port;
    });
  }
  return oldest;
}

std::size_t NatExpiry::free_ports(nanoseconds now)
{
  std::vector<nat_endpoint> rested;
  std::vector<Resting> resting;
  Endpoints at_rest;
  owners_.for_each([&](const nat_endpoint& external, const nat_owner& owner) {
    left_ += (owner.flags & NAT_RESERVED) != 0 ? 0 : 1; // a forward has visitors, untold
    if ((owner.flags & NAT_QUARANTINED) == 0) {
      return;
    }
    at_rest.insert(external);
    if ((owner.flags & NAT_RESERVED) != 0) {
      return;
    }
    if (is_silent(owner.last_in, timeouts_.quarantine, now)) {
      rested.push_back(external);
    } else {
      resting.push_back({owner.last_in, external});
    }
  });
  std::ranges::move(take_oldest(resting), std::back_inserter(rested));
  left_ -= end_sessions_through(at_rest);
  for (const nat_endpoint& external : rested) {
    owners_.erase(external);
  }
  left_ -= rested.size();
  return rested.size();
}

} // namespace slirpstack
