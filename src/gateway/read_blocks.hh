#pragma once

#include "base/block_pool.hh"

#include <array>
#include <cstdint>
#include <span>
#include <sys/uio.h>

namespace slirpstack {

/// The blocks that a receive from the host fills, shared by all TCP flows: only one receives at a
/// time. What was filled goes on to the guest as it is.
class ReadBlocks
{
public:
  /// Super-segments that one flow takes in one receive. Fewer, larger calls are what speed is made
  /// of (64 KiB: 16.6, 512 KiB: 28.7 Gbit/s in the prototype).
  static constexpr std::size_t COUNT = 8;

  /// `pool` must outlive this.
  explicit ReadBlocks(BlockPool& pool) : pool_(pool) {}

  /// Where to receive to: pieces of `segment_bytes`, at most `room_bytes` in all. They last until
  /// the next call.
  [[nodiscard]] std::span<iovec> pieces(std::uint32_t room_bytes, std::uint32_t segment_bytes);
  /// The block behind a piece that holds `length_bytes` now, or a smaller one with a copy of them.
  [[nodiscard]] Block take(std::size_t piece, std::uint32_t length_bytes);
  /// Gives the blocks back to the pool.
  void release();

private:
  BlockPool& pool_;
  std::array<Block, COUNT> blocks_;
  std::array<iovec, COUNT> pieces_{};
};

} // namespace slirpstack
