#pragma once

#include "base/bytes.hh"
#include "wire/address.hh"
#include "wire/drop.hh"

namespace slirpstack {

inline constexpr std::uint16_t ETHERTYPE_IPV4 = 0x0800;
inline constexpr std::uint16_t ETHERTYPE_ARP = 0x0806;
inline constexpr std::uint16_t ETHERTYPE_IPV6 = 0x86dd;

inline constexpr MacAddress MAC_BROADCAST{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

/// An Ethernet II header (RFC 894), in host order.
///
///    ┌─────────────────────┬─────────────────────┬─────────────┐
///    │ destination, 6 bytes│   source, 6 bytes   │ ethertype, 2│
///    └─────────────────────┴─────────────────────┴─────────────┘
struct EthernetHeader
{
  static constexpr std::size_t SIZE_BYTES = 14;

  MacAddress destination;
  MacAddress source;
  std::uint16_t ethertype = 0;

  /// Any ethertype is taken; only a frame shorter than the header is a drop.
  static Parsed<EthernetHeader> parse(ByteView frame);
  /// Returns the bytes written.
  std::size_t write(Writer& writer) const;

  auto operator<=>(const EthernetHeader&) const = default;
};

} // namespace slirpstack
