#pragma once

#include "wire/ip.hh"

namespace slirpstack {

inline constexpr std::size_t UDP_HEADER_BYTES = 8;
/// Where in the datagram its checksum lies.
inline constexpr std::size_t UDP_CHECKSUM_OFFSET = 6;

/// A UDP header in host order (RFC 768).
///
///     0                   1                   2                   3
///     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
///    ┌───────────────────────────────┬───────────────────────────────┐
///    │          source port          │       destination port        │
///    ├───────────────────────────────┼───────────────────────────────┤
///    │            length             │           checksum            │
///    └───────────────────────────────┴───────────────────────────────┘
struct UdpHeader
{
  static constexpr std::size_t SIZE_BYTES = UDP_HEADER_BYTES;

  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint16_t length_bytes = 0; ///< header and data
  std::uint16_t checksum = 0;     ///< 0: none (IPv4 only; verify_transport_checksum sees to that)

  /// `datagram` is exactly the IP payload. What lies behind the UDP length is ignored; a length
  /// beyond the payload or below 8 is a drop. A super-datagram (virtio's UDP_L4) states the
  /// length of the whole.
  static Parsed<UdpHeader> parse(ByteView datagram);

  /// The data behind the header. `datagram` is what was parsed.
  [[nodiscard]] ByteView data(ByteView datagram) const
  {
    return datagram.subspan(SIZE_BYTES, length_bytes - SIZE_BYTES);
  }

  /// Writes the eight bytes with length and checksum as they stand. Returns the bytes written.
  std::size_t write(Writer& writer) const;

  auto operator<=>(const UdpHeader&) const = default;
};

} // namespace slirpstack
