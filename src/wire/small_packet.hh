#pragma once

#include "wire/ip.hh"

#include <cassert>

namespace slirpstack {

/// A packet of our own making, held by value: at most 1280 bytes, the IPv6 minimum MTU, so it
/// passes every link whole.
class SmallPacket
{
public:
  static constexpr std::size_t CAPACITY = 1280;

  /// An empty packet; only its first bytes() are ever initialised.
  SmallPacket() {} // NOLINT(modernize-use-equals-default): a default would zero 1280 bytes

  /// A whole IP packet: `header` without options (its lengths are set here), then `payload`, whose
  /// transport checksum is filled in. Both together must fit.
  static SmallPacket ip(IpHeader header, ByteView payload);

  /// Room to write into; resize() then says how much of it counts.
  [[nodiscard]] MutableBytes buffer() { return bytes_; }
  void resize(std::size_t length_bytes)
  {
    assert(length_bytes <= CAPACITY);
    length_bytes_ = length_bytes;
  }

  [[nodiscard]] ByteView bytes() const { return ByteView(bytes_).first(length_bytes_); }
  [[nodiscard]] bool empty() const { return length_bytes_ == 0; }

private:
  std::array<std::uint8_t, CAPACITY> bytes_;
  std::size_t length_bytes_ = 0;
};

} // namespace slirpstack
