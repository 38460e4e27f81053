#include "base/block_pool.hh"

#include <cstdlib>
#include <malloc.h>
#include <new>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace slirpstack {

namespace {

// The stride is no multiple of a page, so that equal offsets in neighbouring blocks do not fall
// into the same cache sets.
constexpr std::size_t STRIDE_BYTES
  = (sizeof(BlockMemory) + BlockPool::LARGE_BYTES + 63) / 64 * 64 + 64;
constexpr std::size_t BLOCKS_PER_SLAB = 16;
constexpr std::size_t SLAB_BYTES = STRIDE_BYTES * BLOCKS_PER_SLAB;

} // namespace

struct BlockPool::Slab
{
  explicit Slab(std::unique_ptr<Slab> older)
    : memory(
      ::mmap(nullptr, SLAB_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
    , next(std::move(older))
  {
    if (memory == MAP_FAILED) {
      throw std::bad_alloc();
    }
  }
  ~Slab()
  {
    ::munmap(memory, SLAB_BYTES);
    // Iteratively: a long list must not become a deep recursion.
    while (next) {
      next = std::move(next->next);
    }
  }
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  Slab(Slab&&) = delete;
  Slab& operator=(Slab&&) = delete;

  void* memory;
  std::unique_ptr<Slab> next;
};

void BlockReturn::operator()(BlockMemory* block) const
{
  block->pool_.give_back(block);
}

BlockPool::BlockPool(std::size_t ceiling_bytes) : ceiling_bytes_(ceiling_bytes) {}

BlockPool::~BlockPool() = default;

void BlockPool::grow()
{
  slabs_ = std::make_unique<Slab>(std::move(slabs_));
  auto* bytes = static_cast<std::uint8_t*>(slabs_->memory);
  for (std::size_t i = BLOCKS_PER_SLAB; i-- > 0;) {
    auto* block = new (bytes + i * STRIDE_BYTES) BlockMemory(*this, LARGE_BYTES, true);
    block->next_free_ = free_;
    free_ = block;
  }
}

Block BlockPool::take_large()
{
  if (free_ == nullptr) {
    grow();
  }
  BlockMemory* block = std::exchange(free_, free_->next_free_);
  used_bytes_ += LARGE_BYTES;
  return Block(block);
}

Block BlockPool::take_small(std::uint32_t length_bytes)
{
  void* memory = std::malloc(sizeof(BlockMemory) + length_bytes); // NOLINT: owned by the Block
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  used_bytes_ += sizeof(BlockMemory) + length_bytes;
  return Block(new (memory) BlockMemory(*this, length_bytes, false));
}

void BlockPool::give_back(BlockMemory* block)
{
  untrimmed_ = true;
  active_ = true;
  if (!block->pooled_) {
    used_bytes_ -= sizeof(BlockMemory) + block->capacity_bytes_;
    std::free(block); // NOLINT: see take_small
    return;
  }
  used_bytes_ -= LARGE_BYTES;
  block->next_free_ = free_;
  free_ = block;
}

void BlockPool::trim()
{
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (BlockMemory* block = free_; block != nullptr; block = block->next_free_) {
    // Only whole pages inside the payload: the block's own fields stay.
    const auto begin = (reinterpret_cast<std::uintptr_t>(block->data()) + page - 1) / page * page;
    const auto end = (reinterpret_cast<std::uintptr_t>(block->data()) + LARGE_BYTES) / page * page;
    ::madvise(
      reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED); // NOLINT: address arithmetic
  }
  ::malloc_trim(0);
  untrimmed_ = false;
}

} // namespace slirpstack
