#include "accel/nat_ledger.hh"

#include <algorithm>
#include <utility>
#include <vector>

namespace slirpstack {

NatLedger::NatLedger(const NatObject& object)
  : bindings_(object.map("bindings"))
  , owners_(object.map("owners"))
  , sessions_(object.map("sessions"))
  , ends_(object)
{}

std::size_t NatLedger::bindings() const
{
  std::size_t count = 0;
  bindings_.for_each([&](const nat_endpoint&, const nat_binding&) { ++count; });
  return count;
}

std::size_t NatLedger::sessions() const
{
  std::size_t count = 0;
  sessions_.for_each([&](const nat_session_key&, const nat_session&) { ++count; });
  return count;
}

void NatLedger::for_each_binding(
  const std::function<void(const nat_endpoint& internal, const nat_binding& binding)>& visit) const
{
  bindings_.for_each(visit);
}

std::size_t NatLedger::keep_planned(const NatPlan& plan,
                                    const std::set<unsigned>& zones,
                                    std::chrono::nanoseconds now)
{
  std::vector<std::pair<nat_endpoint, nat_endpoint>> unplanned;
  std::size_t left = 0;
  bindings_.for_each([&](const nat_endpoint& internal, const nat_binding& binding) {
    if (zones.contains(internal.zone)
        && is_planned(plan, address_of(internal.address), address_of(binding.address))) {
      ++left;
    } else {
      unplanned.emplace_back(internal,
                             nat_endpoint{binding.address, binding.port, internal.protocol, 0});
    }
  });
  for (const auto& [internal, external] : unplanned) {
    bindings_.erase(internal);
    ends_.note(external.port);
    if (auto owner = owners_.find(external)) { // RFC 6888 REQ-8: not somebody else's at once
      owner->flags |= NAT_QUARANTINED;
      owner->last_in = static_cast<std::uint64_t>(now.count());
      owners_.put(external, *owner);
    }
  }
  return left;
}

void NatLedger::move_guests(unsigned zone, unsigned ifindex, const std::optional<MacAddress>& mac)
{
  std::vector<std::pair<nat_endpoint, nat_owner>> moved;
  owners_.for_each([&](const nat_endpoint& external, nat_owner owner) {
    if (owner.zone != zone) {
      return;
    }
    owner.ifindex = ifindex;
    if (mac) {
      std::ranges::copy(mac->bytes, std::begin(owner.guest_mac));
    }
    moved.emplace_back(external, owner);
  });
  for (const auto& [external, owner] : moved) {
    owners_.put(external, owner);
  }
}

} // namespace slirpstack
