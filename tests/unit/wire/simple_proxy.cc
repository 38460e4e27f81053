#include "wire/simple_proxy.hh"

#include "sample.hh"

using namespace slirpstack;
using namespace sample;

namespace {

/// 192.0.2.1:40000 through 2001:db8::2, port 53
constexpr std::string_view HEADER
  = "56ec00000000000000000000ffffc000020120010db80000000000000000000000029c400035";

} // namespace

TEST_CASE("a simple proxy header names client and proxy, IPv4 as IPv4-mapped")
{
  const auto header = SimpleProxyHeader::parse(hex(std::string(HEADER) + "68656c6c6f"));
  REQUIRE(header);
  CHECK(header->client == Endpoint{address("192.0.2.1"), 40000});
  CHECK(header->proxy == Endpoint{address("2001:db8::2"), 53});
  CHECK(written(*header) == hex(HEADER));
}

TEST_CASE("a simple proxy header that is cut short or has another magic is none")
{
  every_truncation(hex(HEADER), [](const Bytes& prefix) {
    const auto header = SimpleProxyHeader::parse(prefix);
    REQUIRE_FALSE(header);
    CHECK(header.drop() == Drop::truncated);
  });
  Bytes other = hex(HEADER);
  other[1] ^= 1U;
  REQUIRE_FALSE(SimpleProxyHeader::parse(other));
  CHECK(SimpleProxyHeader::parse(other).drop() == Drop::bad_header);
}

TEST_CASE("random simple proxy headers come back as they went")
{
  Random random;
  for (int round = 0; round < 1000; ++round) {
    CAPTURE(round);
    const auto endpoint = [&random] {
      return Endpoint{random.address(random.coin() ? Family::ipv4 : Family::ipv6),
                      random.next<std::uint16_t>()};
    };
    const SimpleProxyHeader header{endpoint(), endpoint()};
    const auto parsed = SimpleProxyHeader::parse(written(header));
    REQUIRE(parsed);
    CHECK(*parsed == header);
  }
}
