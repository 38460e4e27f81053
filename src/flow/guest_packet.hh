#pragma once

#include "base/block_pool.hh"
#include "base/bytes.hh"

#include <cstdint>

namespace slirpstack {

/// One IP packet from the guest, in the block that it was read into. It may be a super-packet:
/// several segments or datagrams behind one header, which the guest's kernel left uncut.
struct GuestPacket
{
  Block block;
  /// Where the IP header begins in the block, and how much follows; link-layer padding included.
  std::uint32_t offset_bytes = 0;
  std::uint32_t length_bytes = 0;
  /// The guest's kernel vouches for the transport checksum: it need not and, where it was left
  /// for the device to fill in, cannot be verified.
  bool checksum_trusted = false;
  /// Payload bytes of each datagram in a UDP super-packet; 0: not one.
  std::uint16_t segment_size_bytes = 0;
  /// It was put together from fragments: the block holds no frame of the guest's.
  bool is_reassembled = false;

  [[nodiscard]] MutableBytes bytes() const { return {block->data() + offset_bytes, length_bytes}; }
  /// All that was read: what lies before the IP header, too.
  [[nodiscard]] ByteView frame() const { return {block->data(), offset_bytes + length_bytes}; }
};

} // namespace slirpstack
