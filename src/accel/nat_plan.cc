#include "accel/nat_plan.hh"

#include <algorithm>
#include <arpa/inet.h>
#include <cassert>
#include <fmt/format.h>

namespace slirpstack {

__be32 map_address(const IpAddress& address)
{
  return htonl(address.ipv4_value());
}

IpAddress address_of(__be32 address)
{
  return IpAddress::ipv4(ntohl(address));
}

Endpoint endpoint_of(const nat_endpoint& endpoint)
{
  return {address_of(endpoint.address), ntohs(endpoint.port)};
}

namespace {

nat_range range_of(const AddressRange& range)
{
  return {range.first.ipv4_value(), static_cast<std::uint32_t>(range.size())};
}

std::uint32_t flags_of(const NatPlan& plan)
{
  std::uint32_t flags = NAT_EXEMPTIONS | NAT_RENUMBER;
  flags |= plan.inbound_refreshes ? NAT_INBOUND_REFRESH : 0;
  flags |= plan.kernel_allocates ? NAT_ALLOCATE : NAT_ASK_REMOTES;
  flags |= plan.pool_is_local ? NAT_POOL_IS_LOCAL : 0;
  flags |= plan.has_zones ? NAT_ZONES : 0;
  flags |= plan.has_veths ? NAT_REDIRECT_PEER : 0;
  return flags;
}

} // namespace

nat_settings settings_of(const NatPlan& plan, std::uint32_t generation)
{
  assert(plan.external.size() <= NAT_MAX_RANGES && plan.internal.size() <= NAT_MAX_RANGES);
  nat_settings settings{};
  settings.flags = flags_of(plan);
  settings.generation = generation;
  for (const AddressRange& range : plan.external) {
    settings.external[settings.external_ranges++] = range_of(range);
    settings.external_addresses += static_cast<std::uint32_t>(range.size());
  }
  for (const Prefix& network : plan.internal) {
    settings.internal[settings.internal_ranges++] = range_of(AddressRange::of(network));
  }
  settings.gateway = plan.gateway.ipv4_value();
  settings.port_first = plan.ports.first;
  settings.port_last = plan.ports.last;
  settings.block_ports = static_cast<__u16>(plan.block_ports);
  settings.filter_tcp = static_cast<__u16>(plan.filter_tcp);
  settings.filter_udp = static_cast<__u16>(plan.filter_udp);
  settings.filter_icmp = static_cast<__u16>(plan.filter_icmp);
  settings.quota = plan.quota;
  std::ranges::copy(plan.gateway_mac.bytes, std::begin(settings.gateway_mac));
  return settings;
}

bool is_planned(const NatPlan& plan, const IpAddress& internal, const IpAddress& external)
{
  return std::ranges::any_of(plan.internal,
                             [&](const Prefix& network) { return network.contains(internal); })
         && std::ranges::any_of(
           plan.external, [&](const AddressRange& range) { return range.contains(external); });
}

std::string addresses_text(const NatPlan& plan)
{
  std::string text;
  for (const AddressRange& range : plan.external) {
    text += fmt::format("{}{}", text.empty() ? "" : ",", range.to_string());
  }
  return text;
}

std::uint64_t port_blocks(const NatPlan& plan)
{
  std::uint64_t addresses = 0;
  for (const AddressRange& range : plan.external) {
    addresses += range.size();
  }
  return plan.block_ports == 0 ? 0 : plan.ports.size() / plan.block_ports * addresses;
}

namespace {

/// Counts `address` over all ranges; nothing: it is in none.
template<typename Ranges>
std::optional<std::uint64_t> index_of(const Ranges& ranges, const IpAddress& address)
{
  std::uint64_t before = 0;
  for (const AddressRange& range : ranges) {
    if (range.contains(address)) {
      return before + address.ipv4_value() - range.first.ipv4_value();
    }
    before += range.size();
  }
  return std::nullopt;
}

/// The other way round.
template<typename Ranges>
std::optional<IpAddress> address_at(const Ranges& ranges, std::uint64_t index)
{
  for (const AddressRange& range : ranges) {
    if (index < range.size()) {
      return IpAddress::ipv4(static_cast<std::uint32_t>(range.first.ipv4_value() + index));
    }
    index -= range.size();
  }
  return std::nullopt;
}

std::vector<AddressRange> internal_ranges(const NatPlan& plan)
{
  std::vector<AddressRange> ranges;
  for (const Prefix& network : plan.internal) {
    ranges.push_back(AddressRange::of(network));
  }
  return ranges;
}

} // namespace

std::uint64_t internal_addresses(const NatPlan& plan)
{
  std::uint64_t addresses = 0;
  for (const Prefix& network : plan.internal) {
    addresses += AddressRange::of(network).size();
  }
  return addresses;
}

// As choose() of the programs has it.

std::optional<IpAddress> block_owner(const NatPlan& plan, const Endpoint& external)
{
  const auto address = index_of(plan.external, external.address);
  if (!plan.kernel_allocates || plan.block_ports == 0 || !address
      || !plan.ports.contains(external.port)) {
    return std::nullopt;
  }
  const std::uint64_t blocks = plan.ports.size() / plan.block_ports;
  const std::uint64_t block = (external.port - plan.ports.first) / plan.block_ports;
  return block < blocks ? address_at(internal_ranges(plan), *address * blocks + block)
                        : std::nullopt;
}

std::string block_text(const NatPlan& plan, const IpAddress& internal)
{
  const std::uint64_t blocks = plan.ports.size() / plan.block_ports;
  const std::uint64_t index = index_of(internal_ranges(plan), internal).value_or(0);
  const auto first
    = static_cast<std::uint16_t>(plan.ports.first + index % blocks * plan.block_ports);
  const PortRange ports{first, static_cast<std::uint16_t>(first + plan.block_ports - 1)};
  const auto external = address_at(plan.external, index / blocks);
  return external ? fmt::format("{}:{}", external->to_string(), ports.to_string()) : "none";
}

} // namespace slirpstack
