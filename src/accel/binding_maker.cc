#include "accel/binding_maker.hh"

#include "accel/nat_endpoints.hh"

#include <cstring>
#include <utility>
#include <vector>

namespace slirpstack {

namespace {

// The pool knows who has which port. Only what it has not given out itself can be in the way, and a
// map full of that shall not keep us here.
constexpr int MAX_TRIES = 16;

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
  std::memcpy(owner.guest_mac, place.mac.bytes.data(), sizeof owner.guest_mac);
  return owner;
}

} // namespace

BindingMaker::BindingMaker(const NatObject& object, PortPool pool)
  : bindings_(object), owners_(object.map("owners")), pool_(std::move(pool))
{}

std::variant<BindingMaker::Made, PortRefusal> BindingMaker::make(const nat_endpoint& internal,
                                                                 const GuestPlace& place,
                                                                 std::uint32_t generation,
                                                                 TimePoint now)
{
  const Endpoint inside = endpoint_of(internal);
  std::vector<Endpoint> unused;
  std::optional<std::variant<Made, PortRefusal>> made;
  for (int tries = 0; !made && tries < MAX_TRIES; ++tries) {
    const auto taken = pool_.take(inside, internal.protocol, now, internal.zone);
    if (const auto* none = std::get_if<PortRefusal>(&taken)) {
      made = *none;
      break;
    }
    const auto& outside = std::get<Endpoint>(taken);
    made = claim({.internal = internal,
                  .external = map_endpoint(outside, internal.protocol, 0),
                  .place = place,
                  .generation = generation},
                 now);
    const Made* const mine = made ? std::get_if<Made>(&*made) : nullptr;
    if (mine == nullptr || mine->origin != Origin::pool) {
      unused.push_back(outside);
    }
  }
  for (const Endpoint& outside : unused) {
    pool_.give_back(inside, outside, internal.protocol, now, internal.zone);
  }
  return made.value_or(PortRefusal::exhausted);
}

std::optional<std::variant<BindingMaker::Made, PortRefusal>> BindingMaker::claim(const Entry& entry,
                                                                                 TimePoint now)
{
  switch (add(entry, now)) {
    case NatBindings::Added::added:
      return Made{entry.external, Origin::pool};
    case NatBindings::Added::endpoint_taken:
      return std::nullopt;
    case NatBindings::Added::no_room:
      return PortRefusal::exhausted;
    case NatBindings::Added::bound_already:
      break;
  }
  const auto others = bindings_.find(entry.internal);
  if (!others) {
    return std::nullopt; // gone again
  }
  bindings_.renew(entry.internal, entry.generation, kernel_time(now));
  return Made{{others->address, others->port, entry.internal.protocol, 0}, Origin::found};
}

NatBindings::Added BindingMaker::add(const Entry& entry, TimePoint now)
{
  nat_binding binding = binding_to(entry.external, entry.flags);
  binding.last_out = kernel_time(now);
  binding.generation = entry.generation;
  nat_owner owner = owner_from(entry.internal, entry.flags, entry.place);
  owner.last_in = kernel_time(now);
  const NatBindings::Added added = bindings_.add(entry.internal, entry.external, binding, owner);
  // The pool, which keeps the time of rest, has given the endpoint out; a sweep is only late.
  return added == NatBindings::Added::endpoint_taken && bindings_.wake(entry.external)
           ? bindings_.add(entry.internal, entry.external, binding, owner)
           : added;
}

std::variant<BindingMaker::Made, StaticRefusal> BindingMaker::make_static(
  const StaticForward& forward,
  TimePoint now)
{
  if (!pool_.reserve(forward.external, forward.protocol)) {
    return StaticRefusal::external_taken;
  }
  const nat_endpoint internal
    = map_endpoint(forward.internal, forward.protocol, forward.guest.zone);
  const nat_endpoint external = map_endpoint(forward.external, forward.protocol, 0);
  StaticRefusal refusal = StaticRefusal::no_room;
  switch (add({internal, external, forward.guest, NAT_STATIC, 0}, now)) {
    case NatBindings::Added::added:
      return Made{external, Origin::forward};
    case NatBindings::Added::endpoint_taken:
      if (take_over({internal, external, forward.guest, NAT_STATIC, 0})) {
        return Made{external, Origin::forward};
      }
      refusal = StaticRefusal::external_taken; // by somebody the pool does not know
      break;
    case NatBindings::Added::bound_already:
      refusal = StaticRefusal::internal_taken;
      break;
    case NatBindings::Added::no_room:
      break;
  }
  pool_.release(forward.external, forward.protocol, now);
  return refusal;
}

bool BindingMaker::take_over(const Entry& entry)
{
  const auto former = owners_.find(entry.external);
  if (!former || (former->flags & NAT_STATIC) == 0 || former->address != entry.internal.address
      || former->port != entry.internal.port || former->zone != entry.internal.zone) {
    return false;
  }
  nat_owner owner = owner_from(entry.internal, entry.flags, entry.place);
  if (entry.place.mac == MacAddress{}) { // the predecessor may know it
    std::memcpy(owner.guest_mac, former->guest_mac, sizeof owner.guest_mac);
  }
  owners_.put(entry.external, owner);
  return true;
}

BindingMaker::Made BindingMaker::adopt(const nat_endpoint& internal, const nat_binding& binding)
{
  const nat_endpoint external{binding.address, binding.port, internal.protocol, 0};
  const Endpoint outside = endpoint_of(external);
  if ((binding.flags & NAT_STATIC) == 0
      && pool_.adopt(endpoint_of(internal), outside, internal.protocol, internal.zone)) {
    return {external, Origin::pool};
  }
  if (!pool_.reserve(outside, internal.protocol)) {
    return {external, Origin::found};
  }
  return {external, (binding.flags & NAT_STATIC) == 0 ? Origin::adopted : Origin::forward};
}

void BindingMaker::adopt_resting(TimePoint now)
{
  owners_.for_each([&](const nat_endpoint& external, const nat_owner& owner) {
    const Endpoint outside = endpoint_of(external);
    if ((owner.flags & NAT_QUARANTINED) != 0 && pool_.reserve(outside, external.protocol)) {
      pool_.release(outside, external.protocol, now);
    }
  });
}

void BindingMaker::end(const nat_endpoint& internal, const Made& made, TimePoint now)
{
  bindings_.end(internal, made.external, now.time_since_epoch());
}

void BindingMaker::give_back(const nat_endpoint& internal, const Made& made, TimePoint now)
{
  const Endpoint outside = endpoint_of(made.external);
  if (made.origin == Origin::pool) {
    pool_.give_back(endpoint_of(internal), outside, internal.protocol, now, internal.zone);
  } else if (made.origin != Origin::found) {
    pool_.release(outside, internal.protocol, now);
  }
}

} // namespace slirpstack
