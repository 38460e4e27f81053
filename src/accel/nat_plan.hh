#pragma once

#include "flow/address_range.hh"
#include "flow/port_range.hh"
#include "slirpstack/nat_map.h"
#include "wire/address.hh"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace slirpstack {

/// What the NAT is to do, in addresses and numbers.
struct NatPlan
{
  /// At most NAT_MAX_RANGES of each; external ones without overlaps.
  std::vector<AddressRange> external;
  std::vector<Prefix> internal;
  PortRange ports{1024, 65535};
  unsigned block_ports = 0; ///< 0: no blocks
  unsigned quota = 0;       ///< 0: no limit
  nat_filter filter_tcp = NAT_FILTER_PORT;
  nat_filter filter_udp = NAT_FILTER_PORT;
  nat_filter filter_icmp = NAT_FILTER_PORT;
  bool kernel_allocates = false;
  /// What comes in keeps a binding alive too.
  bool inbound_refreshes = true;
  /// PortPool::Options has them.
  std::chrono::seconds quarantine{120};
  std::size_t quarantine_ports = 0;
  /// External addresses are the host's own, with its services.
  bool pool_is_local = false;
  /// Which of them are.
  std::vector<IpAddress> own;
  /// Guests may have the same addresses.
  bool has_zones = false;
  /// Guests are behind veth pairs.
  bool has_veths = false;
  /// The router as the guests know it.
  IpAddress gateway;
  MacAddress gateway_mac;
};

/// The plan as the programs read it. `generation`: which bindings made by policy still hold.
[[nodiscard]] nat_settings settings_of(const NatPlan& plan, std::uint32_t generation);

/// Network order, as in the maps.
[[nodiscard]] __be32 map_address(const IpAddress& address);
[[nodiscard]] IpAddress address_of(__be32 address);
/// An endpoint of a map; of an internal one without its zone.
[[nodiscard]] Endpoint endpoint_of(const nat_endpoint& endpoint);

/// Whether the plan has these two as an internal and an external endpoint of one binding.
[[nodiscard]] bool is_planned(const NatPlan& plan,
                              const IpAddress& internal,
                              const IpAddress& external);

/// The external addresses, with commas between.
[[nodiscard]] std::string addresses_text(const NatPlan& plan);

/// How many blocks of ports there are: each internal address has to have one (RFC 7422).
[[nodiscard]] std::uint64_t port_blocks(const NatPlan& plan);
[[nodiscard]] std::uint64_t internal_addresses(const NatPlan& plan);
/// Where the kernel gives blocks: whose block an external endpoint is in; nothing: nobody's.
[[nodiscard]] std::optional<IpAddress> block_owner(const NatPlan& plan, const Endpoint& external);
/// The block of an internal address of the plan: `203.0.113.1:1024-1279`.
[[nodiscard]] std::string block_text(const NatPlan& plan, const IpAddress& internal);

} // namespace slirpstack
