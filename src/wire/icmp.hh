#pragma once

#include "wire/ip.hh"

namespace slirpstack {

inline constexpr std::uint8_t ICMP_ECHO_REPLY = 0;
inline constexpr std::uint8_t ICMP_DESTINATION_UNREACHABLE = 3;
inline constexpr std::uint8_t ICMP_SOURCE_QUENCH = 4;
inline constexpr std::uint8_t ICMP_REDIRECT = 5;
inline constexpr std::uint8_t ICMP_ECHO_REQUEST = 8;
inline constexpr std::uint8_t ICMP_TIME_EXCEEDED = 11;
inline constexpr std::uint8_t ICMP_PARAMETER_PROBLEM = 12;

inline constexpr std::uint8_t ICMPV6_DESTINATION_UNREACHABLE = 1;
inline constexpr std::uint8_t ICMPV6_PACKET_TOO_BIG = 2;
inline constexpr std::uint8_t ICMPV6_TIME_EXCEEDED = 3;
inline constexpr std::uint8_t ICMPV6_PARAMETER_PROBLEM = 4;
inline constexpr std::uint8_t ICMPV6_ECHO_REQUEST = 128;
inline constexpr std::uint8_t ICMPV6_ECHO_REPLY = 129;
inline constexpr std::uint8_t ICMPV6_REDIRECT = 137;

/// Type, code, checksum and the word that each message uses in its own way.
inline constexpr std::size_t ICMP_HEADER_BYTES = 8;

/// An echo request or reply (RFC 792; RFC 4443, 4.1 and 4.2), in host order.
///
///     0                   1                   2                   3
///     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
///    ┌───────────────┬───────────────┬───────────────────────────────┐
///    │     type      │     code      │           checksum            │
///    ├───────────────┴───────────────┼───────────────────────────────┤
///    │          identifier           │        sequence number        │
///    ├───────────────────────────────┴───────────────────────────────┤
///    │                            data …                             │
///    └───────────────────────────────────────────────────────────────┘
struct IcmpEcho
{
  bool is_reply = false;
  std::uint16_t identifier = 0;
  std::uint16_t sequence = 0;
  ByteView data; ///< not owned: lies in the message that was parsed

  /// `message` is exactly the IP payload. Drop::unexpected_type for other ICMP messages. The
  /// checksum is not verified (see verify_transport_checksum).
  static Parsed<IcmpEcho> parse(Family family, ByteView message);

  [[nodiscard]] std::size_t length_bytes() const { return ICMP_HEADER_BYTES + data.size(); }

  /// Writes the message, without an IP header, with its checksum; the addresses choose ICMP or
  /// ICMPv6 and go into the latter's pseudo-header. Returns the bytes written.
  std::size_t write(Writer& writer, const IpAddress& source, const IpAddress& destination) const;
};

} // namespace slirpstack
