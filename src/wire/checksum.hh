#pragma once

#include "base/bytes.hh"
#include "wire/address.hh"

namespace slirpstack {

/// The internet checksum (RFC 1071): the one's complement sum of 16-bit big-endian words, taken
/// over any number of pieces as if they were one run of bytes.
class Checksum
{
public:
  /// Pieces may have any length; the word that an odd one leaves open is closed by the next.
  void add(ByteView bytes);
  void add_u16(std::uint16_t value);
  void add_u32(std::uint32_t value);

  /// The sum folded to 16 bits, not complemented, in host order: what virtio wants in the
  /// checksum field of a frame with NEEDS_CSUM. 0xffff over bytes that hold a right checksum.
  [[nodiscard]] std::uint16_t folded() const;
  /// The complement of folded(): what goes into the checksum field, host order.
  [[nodiscard]] std::uint16_t finish() const { return static_cast<std::uint16_t>(~folded()); }

private:
  void add_sum(std::uint64_t native_sum);

  // In the machine's byte order, which the one's complement sum does not mind (RFC 1071, 2.B).
  std::uint64_t sum_ = 0;
  bool odd_ = false;
};

/// The sum over the pseudo-header of RFC 9293 3.1 (IPv4) or RFC 8200 8.1 (IPv6). Both addresses
/// are of one family; `length_bytes` is the upper layer's header and data.
[[nodiscard]] Checksum pseudo_header(const IpAddress& source,
                                     const IpAddress& destination,
                                     std::uint8_t protocol,
                                     std::uint32_t length_bytes);

} // namespace slirpstack
