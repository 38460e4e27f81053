#pragma once

#include "wire/ip.hh"
#include "wire/small_packet.hh"

#include <optional>

namespace slirpstack {

inline constexpr std::uint8_t NDP_ROUTER_SOLICITATION = 133;
inline constexpr std::uint8_t NDP_ROUTER_ADVERTISEMENT = 134;
inline constexpr std::uint8_t NDP_NEIGHBOR_SOLICITATION = 135;
inline constexpr std::uint8_t NDP_NEIGHBOR_ADVERTISEMENT = 136;

inline constexpr std::uint8_t NDP_OPTION_SOURCE_LINK_LAYER = 1;
inline constexpr std::uint8_t NDP_OPTION_TARGET_LINK_LAYER = 2;

// Every `parse` here takes the IP header and the ICMPv6 message behind it and makes the checks of
// RFC 4861: hop limit 255 (so it came from the link), checksum, code 0, every option complete and
// not of length zero. Drop::unexpected_type says that the message is another one.

/// RFC 4861, 4.3.
///
///    ┌───────────────┬───────────────┬───────────────────────────────┐
///    │   type 135    │    code 0     │           checksum            │
///    ├───────────────┴───────────────┴───────────────────────────────┤
///    │                           reserved                            │
///    ├───────────────────────────────────────────────────────────────┤
///    │                   target address, 16 bytes                    │
///    ├───────────────┬───────────────┬───────────────────────────────┤
///    │   option 1    │ length 1 (·8) │   source link-layer address   │
///    └───────────────┴───────────────┴───────────────────────────────┘
struct NeighborSolicitation
{
  IpAddress target;
  /// Absent when an address is probed for duplicates (the source is unspecified then).
  std::optional<MacAddress> source_link_layer;

  static Parsed<NeighborSolicitation> parse(const IpHeader& header, ByteView message);
  /// The solicitation as a whole IPv6 packet.
  [[nodiscard]] SmallPacket packet(const IpAddress& source, const IpAddress& destination) const;
};

/// RFC 4861, 4.4.
///
///    ┌───────────────┬───────────────┬───────────────────────────────┐
///    │   type 136    │    code 0     │           checksum            │
///    ├─┬─┬─┬─────────┴───────────────┴───────────────────────────────┤
///    │R│S│O│                        reserved                         │
///    ├─┴─┴─┴─────────────────────────────────────────────────────────┤
///    │                   target address, 16 bytes                    │
///    ├───────────────┬───────────────┬───────────────────────────────┤
///    │   option 2    │ length 1 (·8) │   target link-layer address   │
///    └───────────────┴───────────────┴───────────────────────────────┘
struct NeighborAdvertisement
{
  IpAddress target;
  std::optional<MacAddress> target_link_layer;
  bool router = false;
  bool solicited = false;
  bool override = false;

  static Parsed<NeighborAdvertisement> parse(const IpHeader& header, ByteView message);
  /// The advertisement as a whole IPv6 packet. To a solicitation from the unspecified address the
  /// answer goes to ff02::1, unsolicited (RFC 4861 7.2.4); the caller sees to that.
  [[nodiscard]] SmallPacket packet(const IpAddress& source, const IpAddress& destination) const;
};

/// RFC 4861, 4.1: type 133, code 0, four reserved bytes, options.
struct RouterSolicitation
{
  std::optional<MacAddress> source_link_layer;

  static Parsed<RouterSolicitation> parse(const IpHeader& header, ByteView message);
};

/// ff02::1:ffXX:XXXX for an IPv6 address (RFC 4291, 2.7.1).
[[nodiscard]] IpAddress solicited_node_multicast(const IpAddress& address);

} // namespace slirpstack
