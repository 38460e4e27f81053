#pragma once

#include "base/bytes.hh"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace slirpstack {

class BlockPool;

/// Payload memory: either one of the pool's large blocks or one of just the size asked for. It
/// goes back where it came from. The bytes start behind the object.
class BlockMemory
{
public:
  [[nodiscard]] std::uint8_t* data() { return reinterpret_cast<std::uint8_t*>(this + 1); }
  [[nodiscard]] std::uint32_t capacity_bytes() const { return capacity_bytes_; }

private:
  friend class BlockPool;
  friend struct BlockReturn;
  BlockMemory(BlockPool& pool, std::uint32_t capacity_bytes, bool pooled)
    : pool_(pool), capacity_bytes_(capacity_bytes), pooled_(pooled)
  {}

  BlockPool& pool_;
  BlockMemory* next_free_ = nullptr;
  std::uint32_t capacity_bytes_;
  bool pooled_;
};

struct BlockReturn
{
  void operator()(BlockMemory* block) const;
};

using Block = std::unique_ptr<BlockMemory, BlockReturn>;

/// All payload memory of the process, counted. Large blocks hold one super-segment of the guest
/// or of the host and are recycled; small ones are ordinary allocations. The pool must outlive its
/// blocks.
class BlockPool
{
public:
  /// A block holds the largest frame of a tap: vnet and Ethernet headers, and 64 KiB of IP packet.
  static constexpr std::uint32_t LARGE_BYTES = 65536 + 192;

  /// `ceiling_bytes`: beyond it `exhausted()` says so; whoever retains blocks asks first.
  explicit BlockPool(std::size_t ceiling_bytes);
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;
  BlockPool(BlockPool&&) = delete;
  BlockPool& operator=(BlockPool&&) = delete;

  [[nodiscard]] Block take_large();
  [[nodiscard]] Block take_small(std::uint32_t length_bytes);

  /// Gives the memory of free blocks back to the system.
  void trim();

  [[nodiscard]] std::size_t used_bytes() const { return used_bytes_; }
  [[nodiscard]] std::size_t ceiling_bytes() const { return ceiling_bytes_; }
  [[nodiscard]] bool exhausted() const { return used_bytes_ >= ceiling_bytes_; }
  /// Whether free blocks hold memory that `trim()` would give back.
  [[nodiscard]] bool has_untrimmed() const { return untrimmed_; }
  /// Whether any block came back since this was asked last.
  [[nodiscard]] bool take_activity() { return std::exchange(active_, false); }

private:
  friend struct BlockReturn;
  void grow();
  void give_back(BlockMemory* block);

  struct Slab;
  std::unique_ptr<Slab> slabs_;
  BlockMemory* free_ = nullptr;
  std::size_t used_bytes_ = 0;
  std::size_t ceiling_bytes_;
  bool untrimmed_ = false;
  bool active_ = false;
};

} // namespace slirpstack
