#include "accel/former_bindings.hh"

#include <cstdint>
#include <vector>

namespace slirpstack {

namespace {

nat_endpoint external_of(const nat_endpoint& internal, const nat_binding& binding)
{
  return {binding.address, binding.port, internal.protocol, 0};
}

} // namespace

FormerBindings::FormerBindings(const NatObject& object, FlowSessions& sessions)
  : both_(object)
  , bindings_(object.map("bindings"))
  , owners_(object.map("owners"))
  , subscribers_(object.map("subscribers"))
  , released_(object.map("released"))
  , sessions_(sessions)
{}

void FormerBindings::end_fixed(const IsOurs& is_ours, TimePoint now)
{
  end_statics(is_ours, now);
  end_reservations(is_ours, now);
  give_way_ = false;
}

void FormerBindings::end_statics(const IsOurs& is_ours, TimePoint now)
{
  std::vector<BoundEndpoints> former;
  bindings_.for_each([&](const nat_endpoint& internal, const nat_binding& binding) {
    const nat_endpoint external = external_of(internal, binding);
    if ((binding.flags & NAT_STATIC) != 0 && !is_ours(external)) {
      former.push_back({internal, external});
    }
  });
  end(former, now);
}

void FormerBindings::end_reservations(const IsOurs& is_ours, TimePoint now)
{
  std::vector<nat_endpoint> former;
  owners_.for_each([&](const nat_endpoint& external, const nat_owner& owner) {
    if ((owner.flags & NAT_RESERVED) != 0 && !is_ours(external)) {
      former.push_back(external);
    }
  });
  for (const nat_endpoint& external : former) {
    both_.release(external, now.time_since_epoch());
  }
}

bool FormerBindings::evict(const nat_endpoint& external, TimePoint now)
{
  if (!give_way_) {
    return false;
  }
  const auto owner = owners_.find(external);
  if (owner && (owner->flags & NAT_RESERVED) != 0) {
    both_.release(external, now.time_since_epoch());
    return true;
  }
  if (!owner || (owner->flags & NAT_QUARANTINED) != 0) {
    return false;
  }
  const nat_endpoint internal{owner->address, owner->port, external.protocol, owner->zone};
  discharge(internal);
  end({{internal, external}}, now);
  return true;
}

bool FormerBindings::evict_internal(const nat_endpoint& internal, TimePoint now)
{
  const auto binding = bindings_.find(internal);
  return binding && evict(external_of(internal, *binding), now);
}

void FormerBindings::end(const std::vector<BoundEndpoints>& bindings, TimePoint now)
{
  std::set<nat_endpoint, NatEndpointOrder> externals;
  for (const auto& [internal, external] : bindings) {
    both_.end(internal, external, now.time_since_epoch());
    externals.insert(external);
  }
  sessions_.end_all_of(externals);
}

/// As NatExpiry counts what the kernel has charged.
void FormerBindings::discharge(const nat_endpoint& internal)
{
  const nat_subscriber_key subscriber{internal.address, internal.zone};
  const auto binding = bindings_.find(internal);
  if (binding && (binding->flags & NAT_STATIC) == 0 && subscribers_.find(subscriber)) {
    released_.put(subscriber, released_.find(subscriber).value_or(0) + 1);
  }
}

} // namespace slirpstack
