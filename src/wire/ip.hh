#pragma once

#include "base/bytes.hh"
#include "wire/address.hh"
#include "wire/drop.hh"

#include <optional>

namespace slirpstack {

inline constexpr std::uint8_t PROTOCOL_HOP_BY_HOP = 0;
inline constexpr std::uint8_t PROTOCOL_ICMP = 1;
inline constexpr std::uint8_t PROTOCOL_TCP = 6;
inline constexpr std::uint8_t PROTOCOL_UDP = 17;
inline constexpr std::uint8_t PROTOCOL_ROUTING = 43;
inline constexpr std::uint8_t PROTOCOL_FRAGMENT = 44;
inline constexpr std::uint8_t PROTOCOL_ICMPV6 = 58;
inline constexpr std::uint8_t PROTOCOL_NO_NEXT_HEADER = 59;
inline constexpr std::uint8_t PROTOCOL_DESTINATION_OPTIONS = 60;

inline constexpr std::size_t IPV4_HEADER_BYTES = 20;
inline constexpr std::size_t IPV6_HEADER_BYTES = 40;
inline constexpr std::size_t IPV6_FRAGMENT_HEADER_BYTES = 8;
/// RFC 1122 3.3.2 and RFC 8200 5: what every receiver must be able to reassemble or take whole.
inline constexpr std::size_t IPV4_MINIMUM_REASSEMBLY_BYTES = 576;
inline constexpr std::size_t IPV6_MINIMUM_MTU_BYTES = 1280;

/// Whether to verify the IPv4 header checksum.
enum class HeaderChecksum : std::uint8_t
{
  verify,
  trusted, ///< bytes of our own, or quoted in an ICMP error, where it may be zero
};

/// The header of an IPv4 or IPv6 packet, in host order, with IPv6's extension headers folded in.
///
/// RFC 791, 3.1:
///     0                   1                   2                   3
///     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
///    ┌───────┬───────┬───────────────┬───────────────────────────────┐
///    │version│  IHL  │type of service│         total length          │
///    ├───────┴───────┴───────────────┼─┬─┬─┬─────────────────────────┤
///    │        identification         │0│D│M│   fragment offset / 8   │
///    ├───────────────┬───────────────┼─┴─┴─┴─────────────────────────┤
///    │ time to live  │   protocol    │        header checksum        │
///    ├───────────────┴───────────────┴───────────────────────────────┤
///    │                        source address                         │
///    ├───────────────────────────────────────────────────────────────┤
///    │                      destination address                      │
///    ├───────────────────────────────────────────────────────────────┤
///    │                     options, 0 to 40 bytes                    │
///    └───────────────────────────────────────────────────────────────┘
/// RFC 8200, 3:
///    ┌───────┬───────────────┬───────────────────────────────────────┐
///    │version│ traffic class │              flow label               │
///    ├───────┴───────────────┴───────┬───────────────┬───────────────┤
///    │        payload length         │  next header  │   hop limit   │
///    ├───────────────────────────────┴───────────────┴───────────────┤
///    │                   source address, 16 bytes                    │
///    ├───────────────────────────────────────────────────────────────┤
///    │                 destination address, 16 bytes                 │
///    └───────────────────────────────────────────────────────────────┘
/// RFC 8200, 4.5, the fragment header:
///    ┌───────────────┬───────────────┬─────────────────────────┬───┬─┐
///    │  next header  │   reserved    │   fragment offset / 8   │res│M│
///    ├───────────────┴───────────────┴─────────────────────────┴───┴─┤
///    │                        identification                         │
///    └───────────────────────────────────────────────────────────────┘
struct IpHeader
{
  IpAddress source;
  IpAddress destination;
  /// The upper layer's, after the extension headers. In a fragment of an IPv6 packet it is what
  /// the fragment header names, which may be an extension header once more.
  std::uint8_t protocol = 0;
  std::uint8_t hop_limit = 64;
  std::uint8_t traffic_class = 0;
  /// Always true in a parsed IPv6 header: no router may fragment it.
  bool dont_fragment = false;
  bool more_fragments = false;
  std::uint16_t fragment_offset_bytes = 0;
  std::uint32_t identification = 0;
  /// Up to the upper layer, options and extension headers included; in an IPv6 fragment up to
  /// and with the fragment header.
  std::uint16_t header_length_bytes = 0;
  /// The whole packet. An IPv6 packet may have 40 bytes more than 65535.
  std::uint32_t total_length_bytes = 0;
  /// IPv6: what comes before the fragment header, repeated in each fragment. Without a fragment
  /// header, and in IPv4, the same as header_length_bytes.
  std::uint16_t unfragmentable_length_bytes = 0;
  /// Where in the packet the byte lies that `protocol` was read from (RFC 4443 3.4's pointer).
  std::uint16_t protocol_offset_bytes = 0;

  /// Reads the header at the front of `packet`, which may be longer than the total length
  /// (Ethernet pads). Version, header length and total length are checked, and the IPv4
  /// checksum unless trusted. IPv6: hop-by-hop options, destination options, routing headers
  /// with no segments left (RFC 5095) and a fragment header are skipped, eight at most; an
  /// atomic fragment (RFC 6946) is no fragment. Any other next header is the upper layer.
  static Parsed<IpHeader> parse(ByteView packet, HeaderChecksum checksum = HeaderChecksum::verify);

  /// The same of a packet that an ICMP error quotes: it may be cut anywhere behind its header, so
  /// payload() is not for it. The IPv4 checksum is verified.
  static Parsed<IpHeader> parse_quoted(ByteView quote);

  [[nodiscard]] Family family() const { return destination.family(); }
  [[nodiscard]] bool is_fragment() const { return more_fragments || fragment_offset_bytes != 0; }
  [[nodiscard]] std::size_t payload_length_bytes() const
  {
    return total_length_bytes - header_length_bytes;
  }
  /// What follows the header, without link-layer padding. `packet` is what was parsed.
  [[nodiscard]] ByteView payload(ByteView packet) const
  {
    return packet.subspan(header_length_bytes, payload_length_bytes());
  }

  auto operator<=>(const IpHeader&) const = default;
};

/// Writes an IPv4 header of 20 bytes with its checksum, or an IPv6 header of 40 bytes, as the
/// family of `header.destination` says. Options, extension headers (so IPv6's fragment fields)
/// and the header length are not looked at; `total_length_bytes` counts the header written here.
/// Returns the bytes written.
std::size_t write_ip_header(Writer& writer, const IpHeader& header);

} // namespace slirpstack
