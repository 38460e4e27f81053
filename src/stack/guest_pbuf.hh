#pragma once

#include "base/block_pool.hh"
#include "stack/lwip.hh"

namespace slirpstack {

/// Hands the bytes at `offset_bytes` of a block to lwIP without a copy. The block goes back to its
/// pool when lwIP or the relay frees the pbuf. `length_bytes` must fit 16 bits.
[[nodiscard]] pbuf* make_guest_pbuf(Block block,
                                    std::uint32_t offset_bytes,
                                    std::uint16_t length_bytes);

} // namespace slirpstack
