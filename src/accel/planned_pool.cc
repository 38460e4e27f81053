#include "accel/planned_pool.hh"

#include <cstdint>
#include <vector>

namespace slirpstack {

namespace {

constexpr std::uint64_t MOST_ADDRESSES = 65536;

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

PortPool::Options options_of(const NatPlan& plan, bool is_shared)
{
  if (plan.kernel_allocates) {
    return {.first_port = plan.ports.first,
            .last_port = plan.ports.last,
            .quarantine = plan.quarantine,
            .quarantine_ports = plan.quarantine_ports};
  }
  return {.first_port = plan.ports.first,
          .last_port = plan.ports.last,
          .has_low_ports = !plan.pool_is_local,
          .block_ports = static_cast<std::uint16_t>(plan.block_ports),
          .quota = plan.quota,
          .is_shared = is_shared,
          .quarantine = plan.quarantine,
          .quarantine_ports = plan.quarantine_ports};
}

} // namespace

PortPool planned_pool(const NatPlan& plan, bool is_shared)
{
  return {all_of(plan.external), options_of(plan, is_shared), HashSecret::random()};
}

bool fits_pool(const NatPlan& plan)
{
  std::uint64_t addresses = 0;
  for (const AddressRange& range : plan.external) {
    addresses += range.size();
  }
  return addresses <= MOST_ADDRESSES;
}

} // namespace slirpstack
