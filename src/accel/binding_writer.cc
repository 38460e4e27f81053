#include "accel/binding_writer.hh"

#include "base/log.hh"
#include "wire/ip.hh"

#include <algorithm>
#include <utility>
#include <vector>

namespace slirpstack {

namespace {

// The pool knows who has which port. Only what it has not given out itself can be in the way, and a
// map full of that shall not keep us here.
constexpr int MAX_TRIES = 16;

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

nat_binding binding_to(const nat_endpoint& external, std::uint16_t flags)
{
  nat_binding binding{};
  binding.address = external.address;
  binding.port = external.port;
  binding.flags = flags;
  return binding;
}

nat_owner owner_from(const nat_endpoint& internal, std::uint16_t flags, const GuestPlace& place)
{
  nat_owner owner{};
  owner.address = internal.address;
  owner.port = internal.port;
  owner.flags = flags;
  owner.ifindex = place.ifindex;
  owner.zone = place.zone;
  std::ranges::copy(place.mac.bytes, std::begin(owner.guest_mac));
  return owner;
}

} // namespace

BindingWriter::BindingWriter(const NatObject& object, PortPool pool)
  : bindings_(object)
  , sessions_(object.map("sessions"))
  , settings_(object.map("settings"))
  , pool_(std::move(pool))
{}

nat_settings BindingWriter::current_settings() const
{
  return settings_.find(0).value_or(nat_settings{});
}

std::optional<PortRefusal> BindingWriter::open(const FlowKey& flow,
                                               const GuestPlace& place,
                                               GuestFlows& guest,
                                               TimePoint now)
{
  const nat_settings settings = current_settings();
  const nat_endpoint internal = map_endpoint(flow.guest, flow.protocol, place.zone);
  if (const auto refusal = bind(internal, place, settings.generation, now)) {
    return refuse(internal, *refusal);
  }
  const auto bound = bound_.find(internal);
  if (!add_sessions(settings, bound->second.external, flow, now)) {
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
    bindings_.renew(internal, generation, kernel_time(now));
    if (std::exchange(known->second.mac, place.mac) != place.mac) {
      bindings_.set_mac(known->second.external, place.mac);
    }
    return std::nullopt;
  }
  const Endpoint inside = endpoint_of(internal);
  std::vector<Endpoint> unused;
  PortRefusal refusal = PortRefusal::exhausted;
  bool is_bound = false;
  bool goes_on = true;
  for (int tries = 0; goes_on && tries < MAX_TRIES; ++tries) {
    const auto taken = pool_.take(inside, internal.protocol, now, internal.zone);
    if (const auto* none = std::get_if<PortRefusal>(&taken)) {
      refusal = *none;
      break;
    }
    const auto& outside = std::get<Endpoint>(taken);
    const auto claimed
      = claim(internal, map_endpoint(outside, internal.protocol, 0), place, generation, now);
    if (claimed != NatBindings::Added::added) {
      unused.push_back(outside);
    }
    goes_on = !claimed;
    is_bound = claimed && claimed != NatBindings::Added::no_room;
  }
  for (const Endpoint& outside : unused) {
    pool_.give_back(inside, outside, internal.protocol, now, internal.zone);
  }
  return is_bound ? std::nullopt : std::optional(refusal);
}

std::optional<NatBindings::Added> BindingWriter::claim(const nat_endpoint& internal,
                                                       const nat_endpoint& external,
                                                       const GuestPlace& place,
                                                       std::uint32_t generation,
                                                       TimePoint now)
{
  const NatBindings::Added added = add(internal, external, place, 0, generation, now);
  if (added == NatBindings::Added::added) {
    remember(internal, external, Origin::pool, place.mac);
  } else if (added == NatBindings::Added::bound_already) {
    const auto others = bindings_.find(internal);
    if (!others) {
      return std::nullopt; // gone again
    }
    bindings_.renew(internal, generation, kernel_time(now));
    remember(
      internal, {others->address, others->port, internal.protocol, 0}, Origin::found, place.mac);
  } else if (added == NatBindings::Added::endpoint_taken) {
    return std::nullopt;
  }
  return added;
}

NatBindings::Added BindingWriter::add(const nat_endpoint& internal,
                                      const nat_endpoint& external,
                                      const GuestPlace& place,
                                      std::uint16_t flags,
                                      std::uint32_t generation,
                                      TimePoint now)
{
  nat_binding binding = binding_to(external, flags);
  binding.last_out = kernel_time(now);
  binding.generation = generation;
  nat_owner owner = owner_from(internal, flags, place);
  owner.last_in = kernel_time(now);
  const NatBindings::Added added = bindings_.add(internal, external, binding, owner);
  // The pool, which keeps the time of rest, has given the endpoint out; a sweep is only late.
  return added == NatBindings::Added::endpoint_taken && bindings_.wake(external)
           ? bindings_.add(internal, external, binding, owner)
           : added;
}

void BindingWriter::remember(const nat_endpoint& internal,
                             const nat_endpoint& external,
                             Origin origin,
                             const MacAddress& mac)
{
  bound_[internal] = {.external = external, .origin = origin, .mac = mac};
  internals_[external] = internal;
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
  const Added added = sessions_.try_add(key, session);
  if (added == Added::full) {
    return false;
  }
  if (filter_of(settings, flow.protocol) != NAT_FILTER_ADDRESS) {
    return true;
  }
  nat_session_key address = key;
  address.remote_port = 0;
  session.state = NAT_TCP_NONE;
  if (sessions_.try_add(address, session) != Added::full) {
    return true;
  }
  if (added == Added::added) {
    bindings_.end_session(key);
  }
  return false;
}

void BindingWriter::close(const FlowKey& flow, std::uint8_t zone, TimePoint now)
{
  const auto bound = bound_.find(map_endpoint(flow.guest, flow.protocol, zone));
  if (bound == bound_.end() || bound->second.flows == 0) {
    return;
  }
  nat_session_key key = map_session(bound->second.external, flow.remote);
  bindings_.end_session(key);
  key.remote_port = 0; // made anew by the next packet of another flow to that address
  bindings_.end_session(key);
  --bound->second.flows;
  end_if_unused(bound, now);
}

void BindingWriter::end_if_unused(AllBound::iterator bound, TimePoint now)
{
  const auto& [internal, entry] = *bound;
  if (entry.flows != 0 || entry.origin == Origin::forward) {
    return;
  }
  bindings_.end(internal, entry.external, now.time_since_epoch());
  forget(bound, now);
}

void BindingWriter::forget(AllBound::iterator bound, TimePoint now)
{
  const auto& [internal, entry] = *bound;
  const Endpoint outside = endpoint_of(entry.external);
  if (entry.origin == Origin::pool) {
    pool_.give_back(endpoint_of(internal), outside, internal.protocol, now, internal.zone);
  } else if (entry.origin == Origin::forward) {
    pool_.release(outside, internal.protocol, now);
  }
  if (entry.flows != 0) {
    entry.guest->forget_all(internal.protocol, endpoint_of(internal));
  }
  is_complaining_ = false;
  internals_.erase(entry.external);
  bound_.erase(bound);
}

void BindingWriter::advance_generation()
{
  nat_settings settings = current_settings();
  const std::uint32_t next = settings.generation + 1;
  // First the bindings, for which a generation to come is as good: no packet finds a void one.
  for (const auto& [internal, entry] : bound_) {
    if (entry.flows != 0) {
      bindings_.renew(internal, next, 0);
    }
  }
  settings.generation = next;
  settings_.put(0, settings);
}

void BindingWriter::detach(const GuestFlows& guest)
{
  for (auto& [internal, entry] : bound_) {
    if (entry.guest == &guest) {
      entry.guest = nullptr;
      entry.flows = 0;
    }
  }
}

std::optional<StaticRefusal> BindingWriter::add_static(const StaticForward& forward, TimePoint now)
{
  if (!pool_.reserve(forward.external, forward.protocol)) {
    return StaticRefusal::external_taken;
  }
  const nat_endpoint internal
    = map_endpoint(forward.internal, forward.protocol, forward.guest.zone);
  const nat_endpoint external = map_endpoint(forward.external, forward.protocol, 0);
  switch (add(internal, external, forward.guest, NAT_STATIC, 0, now)) {
    case NatBindings::Added::added:
      remember(internal, external, Origin::forward, forward.guest.mac);
      return std::nullopt;
    case NatBindings::Added::endpoint_taken:
      return StaticRefusal::external_taken; // by somebody the pool does not know: it stays reserved
    case NatBindings::Added::bound_already:
      pool_.release(forward.external, forward.protocol, now);
      return StaticRefusal::internal_taken;
    case NatBindings::Added::no_room:
      break;
  }
  pool_.release(forward.external, forward.protocol, now);
  return StaticRefusal::no_room;
}

bool BindingWriter::remove_static(const Endpoint& external, std::uint8_t protocol, TimePoint now)
{
  const nat_endpoint outside = map_endpoint(external, protocol, 0);
  const auto internal = internals_.find(outside);
  const auto bound = internal == internals_.end() ? bound_.end() : bound_.find(internal->second);
  if (bound == bound_.end() || bound->second.origin != Origin::forward) {
    return false;
  }
  bindings_.end(bound->first, outside, now.time_since_epoch());
  std::vector<nat_session_key> through;
  sessions_.for_each([&](const nat_session_key& key, const nat_session&) {
    if (key.address == outside.address && key.port == outside.port && key.protocol == protocol) {
      through.push_back(key);
    }
  });
  for (const nat_session_key& key : through) {
    bindings_.end_session(key);
  }
  forget(bound, now);
  return true;
}

void BindingWriter::on_session_ended(const nat_session_key& session)
{
  const auto internal = internals_.find(external_of(session));
  if (internal == internals_.end()) {
    return;
  }
  Bound& bound = bound_.at(internal->second);
  const FlowKey flow{session.protocol, endpoint_of(internal->second), remote_of(session)};
  // It may have come from outside, or only let a whole address in.
  if (bound.guest != nullptr && bound.guest->forget(flow)) {
    --bound.flows;
  }
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
