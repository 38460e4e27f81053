#pragma once

#include "base/bytes.hh"
#include "wire/drop.hh"

namespace slirpstack {

inline constexpr std::uint8_t VNET_FLAG_NEEDS_CSUM = 1;
inline constexpr std::uint8_t VNET_FLAG_DATA_VALID = 2;

inline constexpr std::uint8_t VNET_GSO_NONE = 0;
inline constexpr std::uint8_t VNET_GSO_TCPV4 = 1;
inline constexpr std::uint8_t VNET_GSO_TCPV6 = 4;
inline constexpr std::uint8_t VNET_GSO_UDP_L4 = 5;
/// A bit beside the type: the TCP segments carry congestion marks (RFC 3168).
inline constexpr std::uint8_t VNET_GSO_ECN = 0x80;

/// The legacy virtio_net_hdr that a tap with IFF_VNET_HDR puts before each frame (virtio 1.2,
/// 5.1.6). Its 16-bit fields are in the machine's byte order, on the wire as here.
///
///    ┌───────┬──────────┬─────────┬──────────┬────────────┬─────────────┐
///    │flags 1│gso_type 1│hdr_len 2│gso_size 2│csum_start 2│csum_offset 2│
///    └───────┴──────────┴─────────┴──────────┴────────────┴─────────────┘
struct VnetHeader
{
  static constexpr std::size_t SIZE_BYTES = 10;

  std::uint8_t flags = 0;        ///< VNET_FLAG_…
  std::uint8_t gso_type = 0;     ///< VNET_GSO_…, perhaps with VNET_GSO_ECN
  std::uint16_t hdr_len = 0;     ///< bytes of headers before a super-segment's data, a hint
  std::uint16_t gso_size = 0;    ///< bytes of data in each segment
  std::uint16_t csum_start = 0;  ///< where in the frame the sum begins
  std::uint16_t csum_offset = 0; ///< where behind csum_start the checksum goes

  /// Reads the ten bytes at the front; the values are the guest's word until plausible() says so.
  static Parsed<VnetHeader> parse(ByteView bytes);
  /// Returns the bytes written.
  std::size_t write(Writer& writer) const;

  [[nodiscard]] bool needs_csum() const { return (flags & VNET_FLAG_NEEDS_CSUM) != 0; }
  [[nodiscard]] bool data_valid() const { return (flags & VNET_FLAG_DATA_VALID) != 0; }
  /// The type without the ECN bit.
  [[nodiscard]] std::uint8_t gso_kind() const
  {
    return static_cast<std::uint8_t>(gso_type & ~VNET_GSO_ECN);
  }
  [[nodiscard]] bool is_gso() const { return gso_kind() != VNET_GSO_NONE; }

  /// Whether the fields stay inside a frame of that length (Ethernet header counted, this one
  /// not) and name a known type: a wrong header is the guest's way to make us read elsewhere.
  [[nodiscard]] bool plausible(std::size_t frame_length_bytes) const;

  auto operator<=>(const VnetHeader&) const = default;
};

} // namespace slirpstack
