#pragma once

#include "base/bytes.hh"
#include "wire/address.hh"
#include "wire/drop.hh"

namespace slirpstack {

inline constexpr std::uint16_t ARP_REQUEST = 1;
inline constexpr std::uint16_t ARP_REPLY = 2;

/// An ARP packet for IPv4 over Ethernet (RFC 826), in host order.
///
///     0                   1                   2                   3
///     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
///    ┌───────────────────────────────┬───────────────────────────────┐
///    │       hardware type (1)       │    protocol type (0x0800)     │
///    ├───────────────┬───────────────┼───────────────────────────────┤
///    │ hw length (6) │ pr. length (4)│           operation           │
///    ├───────────────┴───────────────┴───────────────────────────────┤
///    │ sender MAC, 6 bytes │ sender IPv4, 4 │ target MAC, 6 │ IPv4, 4│
///    └───────────────────────────────────────────────────────────────┘
struct ArpPacket
{
  static constexpr std::size_t SIZE_BYTES = 28;

  std::uint16_t operation = 0; ///< ARP_REQUEST, ARP_REPLY
  MacAddress sender_mac;
  IpAddress sender_address;
  MacAddress target_mac;
  IpAddress target_address;

  /// `payload` follows the Ethernet header and may be padded. Other hardware or protocol types
  /// are Drop::bad_header, other operations Drop::unexpected_type.
  static Parsed<ArpPacket> parse(ByteView payload);
  /// Returns the bytes written.
  std::size_t write(Writer& writer) const;

  auto operator<=>(const ArpPacket&) const = default;
};

} // namespace slirpstack
