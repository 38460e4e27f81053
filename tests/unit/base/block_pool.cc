#include "base/block_pool.hh"

#include <cstring>
#include <doctest/doctest.h>
#include <vector>

namespace slirpstack {

TEST_CASE("a large block holds the largest frame and is recycled")
{
  BlockPool pool(1 << 20);
  Block block = pool.take_large();
  CHECK(block->capacity_bytes() == BlockPool::LARGE_BYTES);
  std::memset(block->data(), 0x5a, block->capacity_bytes());
  const std::uint8_t* const memory = block->data();
  block.reset();
  CHECK(pool.take_large()->data() == memory);
}

TEST_CASE("blocks do not overlap, however many there are")
{
  BlockPool pool(1 << 20);
  std::vector<Block> blocks;
  for (std::uint8_t i = 0; i < 50; ++i) { // several slabs
    blocks.push_back(pool.take_large());
    std::memset(blocks.back()->data(), i, BlockPool::LARGE_BYTES);
  }
  for (std::uint8_t i = 0; i < 50; ++i) {
    const std::uint8_t* const bytes = blocks[i]->data();
    CHECK(int{bytes[0]} == i);
    CHECK(std::memcmp(bytes, bytes + 1, BlockPool::LARGE_BYTES - 1) == 0);
  }
}

TEST_CASE("all that is out is counted, at its true size")
{
  BlockPool pool(1 << 20);
  CHECK(pool.used_bytes() == 0);
  Block small = pool.take_small(100);
  CHECK(small->capacity_bytes() == 100);
  CHECK(pool.used_bytes() >= 100);
  CHECK(pool.used_bytes() < 200);
  Block large = pool.take_large();
  CHECK(pool.used_bytes() >= 100 + BlockPool::LARGE_BYTES);
  small.reset();
  CHECK(pool.used_bytes() == BlockPool::LARGE_BYTES);
  large.reset();
  CHECK(pool.used_bytes() == 0);
}

TEST_CASE("the pool says when its ceiling is reached, and still gives")
{
  BlockPool pool(BlockPool::LARGE_BYTES);
  CHECK_FALSE(pool.exhausted());
  const Block block = pool.take_large();
  CHECK(pool.exhausted());
  CHECK(pool.take_small(1));
}

TEST_CASE("a trimmed pool gives its memory back and goes on")
{
  BlockPool pool(1 << 20);
  const Block kept = pool.take_large();
  std::memset(kept->data(), 1, BlockPool::LARGE_BYTES);
  {
    const Block freed = pool.take_large();
    std::memset(freed->data(), 2, BlockPool::LARGE_BYTES);
  }
  CHECK(pool.has_untrimmed());
  pool.trim();
  CHECK_FALSE(pool.has_untrimmed());
  CHECK(int{kept->data()[BlockPool::LARGE_BYTES - 1]} == 1);
  const Block again = pool.take_large();
  CHECK(int{again->data()[BlockPool::LARGE_BYTES / 2]} == 0); // the system's fresh page
  std::memset(again->data(), 3, BlockPool::LARGE_BYTES);
}

} // namespace slirpstack
