#pragma once

#include "wire/ip.hh"
#include "wire/small_packet.hh"

#include <optional>

namespace slirpstack {

inline constexpr std::uint8_t TCP_FLAG_FIN = 0x01;
inline constexpr std::uint8_t TCP_FLAG_SYN = 0x02;
inline constexpr std::uint8_t TCP_FLAG_RST = 0x04;
inline constexpr std::uint8_t TCP_FLAG_PSH = 0x08;
inline constexpr std::uint8_t TCP_FLAG_ACK = 0x10;
inline constexpr std::uint8_t TCP_FLAG_URG = 0x20;
inline constexpr std::uint8_t TCP_FLAG_ECE = 0x40;
inline constexpr std::uint8_t TCP_FLAG_CWR = 0x80;

inline constexpr std::size_t TCP_HEADER_BYTES = 20;
/// Where in the segment its checksum lies.
inline constexpr std::size_t TCP_CHECKSUM_OFFSET = 16;

/// A TCP header in host order (RFC 9293, 3.1).
///
///     0                   1                   2                   3
///     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
///    ┌───────────────────────────────┬───────────────────────────────┐
///    │          source port          │       destination port        │
///    ├───────────────────────────────┴───────────────────────────────┤
///    │                        sequence number                        │
///    ├───────────────────────────────────────────────────────────────┤
///    │                     acknowledgment number                     │
///    ├───────┬───────┬─┬─┬─┬─┬─┬─┬─┬─┼───────────────────────────────┤
///    │offset │ rsvd  │C│E│U│A│P│R│S│F│            window             │
///    ├───────┴───────┴─┴─┴─┴─┴─┴─┴─┴─┼───────────────────────────────┤
///    │           checksum            │        urgent pointer         │
///    ├───────────────────────────────┴───────────────────────────────┤
///    │                     options, 0 to 40 bytes                    │
///    └───────────────────────────────────────────────────────────────┘
struct TcpHeader
{
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgment = 0;
  std::uint8_t flags = 0;   ///< TCP_FLAG_…
  std::uint16_t window = 0; ///< as sent, not scaled
  std::uint16_t checksum = 0;
  std::uint16_t urgent_pointer = 0;
  std::uint16_t header_length_bytes = TCP_HEADER_BYTES; ///< options included
  /// These three only on a SYN (RFC 9293 3.2, RFC 7323 2.2, RFC 2018 2).
  std::optional<std::uint16_t> maximum_segment_size;
  std::optional<std::uint8_t> window_scale;
  bool has_sack_permitted = false;

  /// Reads the header at the front of `segment`. Every option must be well formed and end inside
  /// the header, known or not: lwIP's own walk has been wrong about that before. The checksum
  /// is not verified (see verify_transport_checksum).
  static Parsed<TcpHeader> parse(ByteView segment);

  [[nodiscard]] bool has(std::uint8_t flag) const { return (flags & flag) != 0; }
  /// SEG.LEN: the payload plus one for SYN and one for FIN.
  [[nodiscard]] std::uint32_t sequence_length(std::size_t payload_bytes) const;

  /// Writes the header with the options that are set here; the data offset follows from them,
  /// not from header_length_bytes. The checksum is written as it stands. Returns the bytes written.
  std::size_t write(Writer& writer) const;

  auto operator<=>(const TcpHeader&) const = default;
};

/// The RST that answers a segment for which there is no connection (RFC 9293, 3.10.7.1): a whole
/// IP packet with right checksums, from the segment's destination to its source. Nothing if the
/// segment is a RST itself. `payload_bytes` is the segment's data without its header.
[[nodiscard]] std::optional<SmallPacket> reset_for(const IpHeader& ip,
                                                   const TcpHeader& tcp,
                                                   std::size_t payload_bytes);

} // namespace slirpstack
