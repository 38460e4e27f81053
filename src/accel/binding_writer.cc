#include "accel/binding_writer.hh"

#include "base/log.hh"
#include "wire/ip.hh"

#include <algorithm>
#include <utility>
#include <vector>

namespace slirpstack {

namespace {

// Its own, and that of the remote's address (nat_session_key).
constexpr int SESSIONS_OF_A_FLOW = 2;

std::uint32_t filter_of(const nat_settings& settings, std::uint8_t protocol)
{
  switch (protocol) {
    case PROTOCOL_TCP:
      return settings.filter_tcp;
    case PROTOCOL_UDP:
      return settings.filter_udp;
    default:
      return settings.filter_icmp;
  }
}

} // namespace

BindingWriter::BindingWriter(const NatObject& object,
                             PortPool pool,
                             const Limits& limits,
                             OnBinding on_binding)
  : shares_(limits)
  , on_binding_(std::move(on_binding))
  , maker_(object, std::move(pool))
  , bindings_(object.map("bindings"))
  , sessions_(object.map("sessions"))
  , settings_(object.map("settings"))
  , former_(object)
{
  disallow_all();
}

void BindingWriter::disallow_all()
{
  std::vector<std::pair<nat_session_key, nat_session>> allowed;
  sessions_.for_each([&](const nat_session_key& key, const nat_session& session) {
    if ((session.flags & NAT_ALLOWED) != 0) {
      allowed.emplace_back(key, session);
    }
  });
  for (auto& [key, session] : allowed) {
    session.flags &= ~NAT_ALLOWED;
    sessions_.put(key, session);
  }
}

void BindingWriter::adopt(TimePoint now)
{
  end_former_statics(now);
  bindings_.for_each([this](const nat_endpoint& internal, const nat_binding& binding) {
    if (!bound_.contains(internal)) {
      remember(internal, maker_.adopt(internal, binding), {});
    }
  });
  maker_.adopt_resting(now);
}

void BindingWriter::end_former_statics(TimePoint now)
{
  const auto is_ours = [this](const nat_endpoint& external) { return this->is_ours(external); };
  former_.end_statics(is_ours, now);
  former_.end_reservations(is_ours, now);
  is_adopting_ = false;
}

bool BindingWriter::evict_for(const StaticForward& forward, TimePoint now)
{
  const nat_endpoint internal
    = map_endpoint(forward.internal, forward.protocol, forward.guest.zone);
  const nat_endpoint external = map_endpoint(forward.external, forward.protocol, 0);
  if (!is_adopting_ || is_ours(external) || bound_.contains(internal)) {
    return false;
  }
  const bool was_external = former_.evict(external, now);
  return former_.evict_internal(internal, now) || was_external;
}

bool BindingWriter::reserve(const Endpoint& external, std::uint8_t protocol, TimePoint now)
{
  const nat_endpoint key = map_endpoint(external, protocol, 0);
  if (const auto known = reserved_.find(key); known != reserved_.end()) {
    ++known->second;
    return true;
  }
  if (!maker_.pool().reserve(external, protocol)) {
    return false;
  }
  if (maker_.bindings().reserve(key)
      || (is_adopting_ && former_.evict(key, now) && maker_.bindings().reserve(key))) {
    reserved_.emplace(key, 1);
    return true;
  }
  maker_.pool().release(external, protocol, now);
  return false;
}

void BindingWriter::release(const Endpoint& external, std::uint8_t protocol, TimePoint now)
{
  const auto reserved = reserved_.find(map_endpoint(external, protocol, 0));
  if (reserved != reserved_.end() && --reserved->second == 0) {
    maker_.bindings().release(reserved->first, now.time_since_epoch());
    maker_.pool().release(external, protocol, now);
    reserved_.erase(reserved);
  }
}

void BindingWriter::replace_pool(PortPool pool, const IpAddress& address, TimePoint now)
{
  maker_.replace_pool(std::move(pool), now);
  for (const auto& [key, sockets] : std::exchange(reserved_, {})) {
    maker_.bindings().release(key, now.time_since_epoch());
    const Endpoint external{address, endpoint_of(key).port};
    if (reserve(external, key.protocol, now)) {
      reserved_[map_endpoint(external, key.protocol, 0)] = sockets;
    }
  }
}

nat_settings BindingWriter::current_settings() const
{
  return settings_.find(0).value_or(nat_settings{});
}

bool BindingWriter::make_room_for(const GuestFlows& guest)
{
  auto excess = shares_.excess(guest);
  while (excess && *excess > 0 && end_oldest_released(guest)) {
    --*excess;
  }
  return excess == std::size_t{0};
}

bool BindingWriter::end_oldest_released(const GuestFlows& guest)
{
  const auto oldest = shares_.oldest_ended(guest);
  if (oldest) {
    end_session(*oldest);
  }
  return oldest.has_value();
}

void BindingWriter::end_released(const GuestFlows& guest)
{
  while (end_oldest_released(guest)) {}
}

std::optional<PortRefusal> BindingWriter::open(const FlowKey& flow,
                                               const GuestPlace& place,
                                               GuestFlows& guest,
                                               TimePoint now)
{
  const nat_settings settings = current_settings();
  const nat_endpoint internal = map_endpoint(flow.guest, flow.protocol, place.zone);
  if (!make_room_for(guest)) {
    return refuse(internal, PortRefusal::exhausted);
  }
  if (const auto refusal = bind(internal, place, settings.generation, now)) {
    return refuse(internal, *refusal);
  }
  const auto bound = bound_.find(internal);
  const auto add = [&] { return add_sessions(settings, bound->second.made.external, flow, now); };
  bool is_added = add();
  for (int i = 0; !is_added && i < SESSIONS_OF_A_FLOW && end_oldest_released(guest); ++i) {
    is_added = add();
  }
  if (!is_added) {
    end_if_unused(bound, now);
    return refuse(internal, PortRefusal::exhausted);
  }
  bound->second.guest = &guest;
  ++bound->second.flows;
  return std::nullopt;
}

std::optional<PortRefusal> BindingWriter::bind(const nat_endpoint& internal,
                                               const GuestPlace& place,
                                               std::uint32_t generation,
                                               TimePoint now)
{
  if (const auto known = bound_.find(internal); known != bound_.end()) {
    // Used now: a binding must not end before its sessions.
    maker_.bindings().renew(internal, generation, kernel_time(now));
    if (std::exchange(known->second.mac, place.mac) != place.mac) {
      maker_.bindings().set_mac(known->second.made.external, place.mac);
    }
    return std::nullopt;
  }
  const auto made = maker_.make(internal, place, generation, now);
  if (const auto* const refusal = std::get_if<PortRefusal>(&made)) {
    return *refusal;
  }
  remember(internal, std::get<BindingMaker::Made>(made), place.mac);
  if (on_binding_) {
    on_binding_(internal, std::get<BindingMaker::Made>(made).external, true);
  }
  return std::nullopt;
}

void BindingWriter::remember(const nat_endpoint& internal,
                             const BindingMaker::Made& made,
                             const MacAddress& mac)
{
  bound_[internal] = {.made = made, .mac = mac};
  internals_[made.external] = internal;
}

bool BindingWriter::add_sessions(const nat_settings& settings,
                                 const nat_endpoint& external,
                                 const FlowKey& flow,
                                 TimePoint now)
{
  using Added = NatTable<nat_session_key, nat_session>::Added;
  const nat_session_key key = map_session(external, flow.remote);
  nat_session session{};
  session.last = kernel_time(now);
  session.state = flow.protocol == PROTOCOL_TCP ? NAT_TCP_SYN_OUT : NAT_TCP_NONE;
  session.flags = NAT_ALLOWED;
  const Added added = sessions_.try_add(key, session);
  if (added == Added::full) {
    return false;
  }
  if (added == Added::exists) {
    allow(key);
  }
  if (filter_of(settings, flow.protocol) != NAT_FILTER_ADDRESS) {
    return true;
  }
  nat_session_key address = key;
  address.remote_port = 0;
  session.state = NAT_TCP_NONE;
  session.flags = 0; // it only lets in
  if (sessions_.try_add(address, session) != Added::full) {
    return true;
  }
  if (added == Added::added) {
    end_session(key);
  }
  return false;
}

/// The remote's own, or a predecessor's.
void BindingWriter::allow(const nat_session_key& key)
{
  if (auto session = sessions_.find(key)) {
    session->flags |= NAT_ALLOWED;
    session->flags &= ~(NAT_RELEASED | NAT_RESUMED);
    sessions_.put(key, *session);
    shares_.remove_ended(key);
  }
}

void BindingWriter::close(const FlowKey& flow, std::uint8_t zone, TimePoint now)
{
  const auto bound = bound_.find(map_endpoint(flow.guest, flow.protocol, zone));
  if (bound == bound_.end() || bound->second.flows == 0) {
    return;
  }
  end_sessions(bound->second.made.external, flow);
  --bound->second.flows;
  end_if_unused(bound, now);
}

void BindingWriter::end_session(const FlowKey& flow, std::uint8_t zone)
{
  if (has_session(flow, zone)) {
    const nat_endpoint internal = map_endpoint(flow.guest, flow.protocol, zone);
    end_sessions(bound_.at(internal).made.external, flow);
  }
}

void BindingWriter::end_session(const nat_session_key& session)
{
  maker_.bindings().end_session(session);
  shares_.remove_ended(session);
}

void BindingWriter::end_sessions(const nat_endpoint& external, const FlowKey& flow)
{
  nat_session_key key = map_session(external, flow.remote);
  end_session(key);
  key.remote_port = 0; // made anew by the next packet of another flow to that address
  end_session(key);
}

void BindingWriter::end_if_unused(AllBound::iterator bound, TimePoint now)
{
  const auto& [internal, entry] = *bound;
  if (entry.flows != 0 || entry.made.origin == BindingMaker::Origin::forward) {
    return;
  }
  maker_.end(internal, entry.made, now);
  forget(bound, now);
}

void BindingWriter::forget(AllBound::iterator bound, TimePoint now)
{
  const auto& [internal, entry] = *bound;
  maker_.give_back(internal, entry.made, now);
  if (entry.flows != 0) {
    entry.guest->forget_all(internal.protocol, endpoint_of(internal));
  }
  is_complaining_ = false;
  if (on_binding_) {
    on_binding_(internal, entry.made.external, false);
  }
  internals_.erase(entry.made.external);
  bound_.erase(bound);
}

void BindingWriter::advance_generation()
{
  nat_settings settings = current_settings();
  const std::uint32_t next = settings.generation + 1;
  // First the bindings, for which a generation to come is as good: no packet finds a void one.
  for (const auto& [internal, entry] : bound_) {
    if (entry.flows != 0) {
      maker_.bindings().renew(internal, next, 0);
    }
  }
  settings.generation = next;
  settings_.put(0, settings);
}

bool BindingWriter::has_session(const FlowKey& flow, std::uint8_t zone) const
{
  const auto bound = bound_.find(map_endpoint(flow.guest, flow.protocol, zone));
  return bound != bound_.end()
         && sessions_.find(map_session(bound->second.made.external, flow.remote)).has_value();
}

void BindingWriter::detach(const GuestFlows& guest)
{
  for (auto& [internal, entry] : bound_) {
    if (entry.guest == &guest) {
      entry.guest = nullptr;
      entry.flows = 0;
    }
  }
  shares_.remove(guest);
}

std::optional<StaticRefusal> BindingWriter::add_static(const StaticForward& forward, TimePoint now)
{
  auto made = maker_.make_static(forward, now);
  if (std::holds_alternative<StaticRefusal>(made) && evict_for(forward, now)) {
    made = maker_.make_static(forward, now);
  }
  if (const auto* const refusal = std::get_if<StaticRefusal>(&made)) {
    return *refusal;
  }
  remember(map_endpoint(forward.internal, forward.protocol, forward.guest.zone),
           std::get<BindingMaker::Made>(made),
           forward.guest.mac);
  return std::nullopt;
}

bool BindingWriter::remove_static(const Endpoint& external, std::uint8_t protocol, TimePoint now)
{
  const nat_endpoint outside = map_endpoint(external, protocol, 0);
  const auto internal = internals_.find(outside);
  const auto bound = internal == internals_.end() ? bound_.end() : bound_.find(internal->second);
  if (bound == bound_.end() || bound->second.made.origin != BindingMaker::Origin::forward) {
    return false;
  }
  maker_.end(bound->first, bound->second.made, now);
  end_sessions_of(outside);
  forget(bound, now);
  return true;
}

void BindingWriter::end_sessions_of(const nat_endpoint& external)
{
  std::vector<nat_session_key> through;
  sessions_.for_each([&](const nat_session_key& key, const nat_session&) {
    if (key.address == external.address && key.port == external.port
        && key.protocol == external.protocol) {
      through.push_back(key);
    }
  });
  for (const nat_session_key& key : through) {
    end_session(key);
  }
}

void BindingWriter::on_session_closed(const nat_session_key& session)
{
  const GuestFlows* const guest = forget_flow(session);
  if (guest != nullptr && maker_.bindings().release_session(session)) {
    shares_.add_ended(session, *guest);
  }
}

void BindingWriter::on_session_ended(const nat_session_key& session)
{
  forget_flow(session);
  shares_.remove_ended(session);
}

GuestFlows* BindingWriter::forget_flow(const nat_session_key& session)
{
  const auto internal = internals_.find(external_of(session));
  if (internal == internals_.end()) {
    return nullptr;
  }
  Bound& bound = bound_.at(internal->second);
  const FlowKey flow{session.protocol, endpoint_of(internal->second), remote_of(session)};
  // It may have come from outside, or only let a whole address in.
  if (bound.guest == nullptr || !bound.guest->forget(flow)) {
    return nullptr;
  }
  --bound.flows;
  return bound.guest;
}

void BindingWriter::on_binding_ended(const nat_endpoint& internal, TimePoint now)
{
  if (const auto bound = bound_.find(internal); bound != bound_.end()) {
    forget(bound, now);
  }
}

PortRefusal BindingWriter::refuse(const nat_endpoint& internal, PortRefusal reason)
{
  ++refused_;
  if (!std::exchange(is_complaining_, true)) {
    log(LogLevel::warning,
        "a flow of a guest gets no external port",
        {{"guest", endpoint_of(internal).to_string()},
         {"reason", reason == PortRefusal::quota ? "quota" : "exhausted"},
         {"refused", refused_}});
  }
  return reason;
}

} // namespace slirpstack
