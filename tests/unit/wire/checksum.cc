#include "wire/checksum.hh"

#include "sample.hh"

using namespace slirpstack;
using namespace sample;

namespace {

/// The sum as RFC 1071 writes it in C, byte by byte.
std::uint16_t reference(ByteView bytes)
{
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? bytes[i] * 256U : bytes[i];
  }
  while (sum > 0xffff) {
    sum = (sum & 0xffffU) + (sum >> 16U);
  }
  return static_cast<std::uint16_t>(sum);
}

} // namespace

TEST_CASE("the sum of RFC 1071's example is as printed there")
{
  Checksum sum;
  sum.add(hex("0001f203f4f5f6f7"));
  CHECK(sum.folded() == 0xddf2);
  CHECK(sum.finish() == 0x220d);
}

TEST_CASE("every length sums like the textbook loop, all ones included")
{
  Random random;
  for (std::size_t length_bytes = 0; length_bytes < 200; ++length_bytes) {
    CAPTURE(length_bytes);
    for (const Bytes& bytes : {random.bytes(length_bytes), Bytes(length_bytes, 0xff)}) {
      Checksum sum;
      sum.add(bytes);
      CHECK(sum.folded() == reference(bytes));
    }
  }
}

TEST_CASE("pieces of any length sum like the whole")
{
  Random random;
  for (int round = 0; round < 300; ++round) {
    CAPTURE(round);
    const Bytes bytes = random.bytes(1 + random.below(3000));
    Checksum sum;
    for (ByteView rest = bytes; !rest.empty();) {
      const std::size_t piece = 1 + random.below(std::min<std::size_t>(rest.size(), 70));
      sum.add(rest.first(piece));
      rest = rest.subspan(piece);
    }
    CHECK(sum.folded() == reference(bytes));
  }
}

TEST_CASE("integers sum like their bytes, at odd places too")
{
  Checksum integers;
  integers.add(hex("ab"));
  integers.add_u16(0x1234);
  integers.add_u32(0x56789abc);
  CHECK(integers.folded() == reference(hex("ab123456789abc")));
}

TEST_CASE("a pseudo-header is that of RFC 9293 and of RFC 8200")
{
  CHECK(pseudo_header(address("192.0.2.100"), address("198.51.100.7"), 17, 13).folded()
        == reference(hex("c0000264c63364070011000d")));
  CHECK(pseudo_header(address("2001:db8::100"), address("2001:db8:1::7"), 6, 0x10020).folded()
        == reference(hex("20010db800000000000000000000010020010db800010000000000000000000700010020"
                         "00000006")));
}
