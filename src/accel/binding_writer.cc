#include "accel/binding_writer.hh"

#include "base/log.hh"

#include <utility>

namespace slirpstack {

BindingWriter::BindingWriter(const NatObject& object,
                             PortPool pool,
                             const Limits& limits,
                             OnBinding on_binding)
  : on_binding_(std::move(on_binding))
  , maker_(object, std::move(pool))
  , bindings_(object.map("bindings"))
  , settings_(object.map("settings"))
  , sessions_(object, limits)
  , former_(object, sessions_)
  , reserved_(maker_, former_)
{}

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
  former_.end_fixed([this](const nat_endpoint& external) { return is_ours(external); }, now);
}

bool BindingWriter::evict_for(const StaticForward& forward, TimePoint now)
{
  const nat_endpoint internal
    = map_endpoint(forward.internal, forward.protocol, forward.guest.zone);
  const nat_endpoint external = map_endpoint(forward.external, forward.protocol, 0);
  if (is_ours(external) || bound_.contains(internal)) {
    return false;
  }
  const bool was_external = former_.evict(external, now);
  return former_.evict_internal(internal, now) || was_external;
}

void BindingWriter::replace_pool(PortPool pool, const IpAddress& address, TimePoint now)
{
  maker_.replace_pool(std::move(pool), now);
  reserved_.move_to(address, now);
}

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
  if (!sessions_.make_room_for(guest)) {
    return refuse(internal, PortRefusal::exhausted);
  }
  if (const auto refusal = bind(internal, place, settings.generation, now)) {
    return refuse(internal, *refusal);
  }
  const auto bound = bound_.find(internal);
  if (!sessions_.add(settings, bound->second.made.external, flow, guest, now)) {
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

void BindingWriter::close(const FlowKey& flow, std::uint8_t zone, TimePoint now)
{
  const auto bound = bound_.find(map_endpoint(flow.guest, flow.protocol, zone));
  if (bound == bound_.end() || bound->second.flows == 0) {
    return;
  }
  sessions_.end(bound->second.made.external, flow);
  --bound->second.flows;
  end_if_unused(bound, now);
}

void BindingWriter::end_session(const FlowKey& flow, std::uint8_t zone)
{
  if (has_session(flow, zone)) {
    const nat_endpoint internal = map_endpoint(flow.guest, flow.protocol, zone);
    sessions_.end(bound_.at(internal).made.external, flow);
  }
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
  return bound != bound_.end() && sessions_.has(bound->second.made.external, flow.remote);
}

void BindingWriter::detach(const GuestFlows& guest)
{
  for (auto& [internal, entry] : bound_) {
    if (entry.guest == &guest) {
      entry.guest = nullptr;
      entry.flows = 0;
    }
  }
  sessions_.detach(guest);
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
  const nat_endpoint internal
    = map_endpoint(forward.internal, forward.protocol, forward.guest.zone);
  remember(internal, std::get<BindingMaker::Made>(made), forward.guest.mac);
  if (on_binding_) {
    on_binding_(internal, std::get<BindingMaker::Made>(made).external, true);
  }
  return std::nullopt;
}

bool BindingWriter::remove_static(const Endpoint& external, std::uint8_t protocol, TimePoint now)
{
  return remove_statics({{external, protocol}}, now) == 1;
}

std::size_t BindingWriter::remove_statics(const std::vector<PublicPort>& ports, TimePoint now)
{
  std::set<nat_endpoint, NatEndpointOrder> ended;
  for (const PublicPort& port : ports) {
    const nat_endpoint outside = map_endpoint(port.external, port.protocol, 0);
    if (end_static(outside, now)) {
      ended.insert(outside);
    }
  }
  sessions_.end_all_of(ended);
  return ended.size();
}

bool BindingWriter::end_static(const nat_endpoint& outside, TimePoint now)
{
  const auto internal = internals_.find(outside);
  const auto bound = internal == internals_.end() ? bound_.end() : bound_.find(internal->second);
  if (bound == bound_.end() || bound->second.made.origin != BindingMaker::Origin::forward) {
    return false;
  }
  maker_.end(bound->first, bound->second.made, now);
  forget(bound, now);
  return true;
}

void BindingWriter::on_session_closed(const nat_session_key& session)
{
  if (const GuestFlows* const guest = forget_flow(session)) {
    sessions_.on_closed(session, *guest);
  }
}

void BindingWriter::on_session_ended(const nat_session_key& session)
{
  forget_flow(session);
  sessions_.on_ended(session);
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
