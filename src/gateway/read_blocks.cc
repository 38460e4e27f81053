#include "gateway/read_blocks.hh"

#include <algorithm>
#include <cstring>
#include <utility>

namespace slirpstack {

namespace {

// A smaller read would pin a block many times its size until the guest acknowledges it.
constexpr std::size_t COPY_BELOW_BYTES = 16 << 10;

} // namespace

std::span<iovec> ReadBlocks::pieces(std::uint32_t room_bytes, std::uint32_t segment_bytes)
{
  std::size_t count = 0;
  while (room_bytes > 0 && count < COUNT) {
    // Whole segments, so that no runt stands between them; less only if that is all the room.
    const std::uint32_t length = std::min(room_bytes, segment_bytes);
    if (count > 0 && length < segment_bytes) {
      break;
    }
    if (!blocks_[count]) {
      blocks_[count] = pool_.take_large();
    }
    pieces_[count] = {blocks_[count]->data(), length};
    room_bytes -= length;
    ++count;
  }
  return std::span(pieces_).first(count);
}

Block ReadBlocks::take(std::size_t piece, std::uint32_t length_bytes)
{
  if (length_bytes >= COPY_BELOW_BYTES) {
    return std::move(blocks_[piece]);
  }
  Block block = pool_.take_small(length_bytes);
  std::memcpy(block->data(), blocks_[piece]->data(), length_bytes);
  return block;
}

void ReadBlocks::release()
{
  for (Block& block : blocks_) {
    block.reset();
  }
}

} // namespace slirpstack
