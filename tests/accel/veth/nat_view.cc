#include "nat_view.hh"

#include "accel/nat_table.hh"
#include "network.hh"

#include <algorithm>
#include <arpa/inet.h>
#include <net/if.h>
#include <numeric>
#include <time.h>
#include <vector>

namespace slirpstack::test {

namespace {

constexpr std::size_t MOST_PROCESSORS = 1024;

nat_endpoint to_map(const Endpoint& endpoint, std::uint8_t protocol)
{
  return {htonl(endpoint.address.ipv4_value()), htons(endpoint.port), protocol, 0};
}

} // namespace

void add_forward(const NatAccelerator& nat,
                 std::uint8_t protocol,
                 std::uint16_t port,
                 const Endpoint& internal)
{
  const nat_endpoint inside = to_map(internal, protocol);
  const nat_endpoint outside = to_map({EXTERNAL_ADDRESS, port}, protocol);
  nat_owner owner{};
  owner.address = inside.address;
  owner.port = inside.port;
  owner.flags = NAT_STATIC;
  owner.ifindex = ::if_nametoindex("guest1");
  std::ranges::copy(FIRST_GUEST.bytes, std::begin(owner.guest_mac));
  NatTable<nat_endpoint, nat_owner>(nat.object().map("owners")).put(outside, owner);
  nat_binding binding{};
  binding.address = outside.address;
  binding.port = outside.port;
  binding.flags = NAT_STATIC;
  NatTable<nat_endpoint, nat_binding>(nat.object().map("bindings")).put(inside, binding);
}

std::uint64_t counted(const NatAccelerator& nat, nat_statistic statistic)
{
  const auto key = static_cast<std::uint32_t>(statistic);
  std::vector<nat_count> each(MOST_PROCESSORS);
  system_call("read statistics",
              ::bpf_map_lookup_elem(nat.object().map("statistics"), &key, each.data()));
  return std::accumulate(each.begin(),
                         each.end(),
                         std::uint64_t{0},
                         [](std::uint64_t sum, const nat_count& one) { return sum + one.packets; });
}

} // namespace slirpstack::test
