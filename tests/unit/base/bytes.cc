#include "base/bytes.hh"

#include <doctest/doctest.h>

using namespace slirpstack;

TEST_CASE("a reader that runs out stays failed and yields zeros")
{
  const std::array<std::uint8_t, 3> bytes{0x12, 0x34, 0x56};
  Reader reader(bytes);
  CHECK(reader.u16() == 0x1234);
  CHECK(reader.u16() == 0);
  CHECK(reader.u8() == 0);
  CHECK(reader.failed());
}

TEST_CASE("skipping past the end fails like reading does")
{
  const std::array<std::uint8_t, 3> bytes{1, 2, 3};
  Reader reader(bytes);
  reader.skip(4);
  CHECK(reader.failed());
  CHECK(reader.rest().empty());
}

TEST_CASE("a writer stops at the end of its buffer")
{
  std::array<std::uint8_t, 5> buffer{};
  Writer writer(buffer);
  writer.u32(0x01020304);
  CHECK_FALSE(writer.failed());
  writer.u16(0xffff);
  CHECK(writer.failed());
  CHECK(buffer == std::array<std::uint8_t, 5>{1, 2, 3, 4, 0});
}
