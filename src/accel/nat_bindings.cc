#include "accel/nat_bindings.hh"

#include <algorithm>

namespace slirpstack {

NatBindings::NatBindings(const NatObject& object)
  : bindings_(object.map("bindings"))
  , owners_(object.map("owners"))
  , sessions_(object.map("sessions"))
  , ends_(object)
{}

NatBindings::Added NatBindings::add(const nat_endpoint& internal,
                                    const nat_endpoint& external,
                                    const nat_binding& binding,
                                    const nat_owner& owner)
{
  using Result = NatTable<nat_endpoint, nat_binding>::Added;
  using Claim = NatTable<nat_endpoint, nat_owner>::Added;
  const Claim claim = owners_.try_add(external, owner);
  if (claim != Claim::added) {
    return claim == Claim::exists ? Added::endpoint_taken : Added::no_room;
  }
  const Result result = bindings_.try_add(internal, binding);
  if (result == Result::added) {
    return Added::added;
  }
  owners_.erase(external);
  return result == Result::exists ? Added::bound_already : Added::no_room;
}

void NatBindings::renew(const nat_endpoint& internal,
                        std::uint32_t generation,
                        std::uint64_t last_out)
{
  if (auto binding = bindings_.find(internal)) {
    binding->generation = generation;
    binding->last_out = std::max<std::uint64_t>(binding->last_out, last_out);
    bindings_.put(internal, *binding);
  }
}

void NatBindings::set_mac(const nat_endpoint& external, const MacAddress& mac)
{
  if (auto owner = owners_.find(external)) {
    std::ranges::copy(mac.bytes, std::begin(owner->guest_mac));
    owners_.put(external, *owner);
  }
}

void NatBindings::end(const nat_endpoint& internal,
                      const nat_endpoint& external,
                      std::chrono::nanoseconds now)
{
  // The binding goes first: while the owner's entry stands nobody else can claim the endpoint.
  bindings_.erase(internal);
  ends_.note(external.port);
  if (auto owner = owners_.find(external)) {
    owner->flags = NAT_QUARANTINED;
    owner->last_in = static_cast<std::uint64_t>(now.count());
    owners_.put(external, *owner);
  }
}

void NatBindings::end_session(const nat_session_key& session)
{
  sessions_.erase(session);
  ends_.note(session.port);
}

bool NatBindings::release_session(const nat_session_key& session)
{
  auto known = sessions_.find(session);
  if (!known) {
    return false;
  }
  known->flags |= NAT_RELEASED;
  sessions_.put(session, *known);
  ends_.note(session.port);
  return true;
}

bool NatBindings::reserve(const nat_endpoint& external)
{
  using Claim = NatTable<nat_endpoint, nat_owner>::Added;
  nat_owner nobody{};
  nobody.flags = NAT_QUARANTINED | NAT_RESERVED;
  const Claim claim = owners_.try_add(external, nobody);
  if (claim != Claim::exists) {
    return claim == Claim::added;
  }
  const auto owner = owners_.find(external);
  const bool rests = owner && (owner->flags & NAT_QUARANTINED) != 0;
  if (rests) {
    owners_.put(external, nobody);
  }
  return rests;
}

void NatBindings::release(const nat_endpoint& external, std::chrono::nanoseconds now)
{
  if (auto owner = owners_.find(external); owner && (owner->flags & NAT_RESERVED) != 0) {
    owner->flags = NAT_QUARANTINED;
    owner->last_in = static_cast<std::uint64_t>(now.count());
    owners_.put(external, *owner);
  }
}

bool NatBindings::wake(const nat_endpoint& external)
{
  const auto owner = owners_.find(external);
  const bool rests = owner && (owner->flags & (NAT_QUARANTINED | NAT_RESERVED)) == NAT_QUARANTINED;
  if (rests) {
    owners_.erase(external);
  }
  return rests;
}

} // namespace slirpstack
