#include "flow/nptv6.hh"

#include "wire/checksum.hh"

#include <array>
#include <doctest/doctest.h>
#include <random>

using namespace slirpstack;

namespace {

IpAddress address(std::string_view text)
{
  return IpAddress::parse(text).value();
}

Prefix prefix(std::string_view text)
{
  return Prefix::parse(text).value();
}

IpAddress random_address(std::mt19937_64& random)
{
  std::array<std::uint8_t, 16> bytes{};
  for (std::uint8_t& byte : bytes) {
    // Words of all ones and all zeros, which are what the rules are about, come often.
    const auto kind = random() % 4;
    byte = kind == 0 ? 0xff : kind == 1 ? 0 : static_cast<std::uint8_t>(random());
  }
  return IpAddress(bytes);
}

std::uint16_t sum_of(const IpAddress& of)
{
  Checksum sum;
  sum.add(of.bytes());
  return sum.folded() == 0xffff ? 0 : sum.folded(); // two forms of zero
}

} // namespace

TEST_CASE("RFC 6296's example: the subnet word takes 0xd54f")
{
  const Prefix inside = prefix("fd01:203:405::/48");
  const Prefix outside = prefix("2001:db8:1::/48");
  const auto there = translate_neutrally(address("fd01:203:405:1::1234"), inside, outside);
  CHECK(std::get<IpAddress>(there) == address("2001:db8:1:d550::1234"));
  const auto back = translate_neutrally(address("2001:db8:1:d550::1234"), outside, inside);
  CHECK(std::get<IpAddress>(back) == address("fd01:203:405:1::1234"));
}

TEST_CASE("the adjusted word is chosen by the prefix's length")
{
  struct Row
  {
    const char* inside;
    const char* outside;
    const char* from;
    const char* to; ///< null: unmappable
  };
  // fd01 + 203 + 405 less 2001 + db8 + 1 is d54f; less 2001 + db8 + 1 + 2, d54d.
  static constexpr std::array ROWS{
    Row{"fd01:203::/32", "2001:db8::/32", "fd01:203:9:1::1", "2001:db8:9:d14c::1"},
    Row{"fd01:203:405::/48", "2001:db8:1::/48", "fd01:203:405:ffff::1", nullptr},
    Row{"fd01:203:405::/48", "2001:db8:1::/48", "fd01:203:405:7::", "2001:db8:1:d556::"},
    // The sum would be ffff: it is written as 0.
    Row{"fd01:203:405::/48", "2001:db8:1::/48", "fd01:203:405:2ab0::1", "2001:db8:1:0::1"},
    Row{"fd01:203:405:6::/64", "2001:db8:1:2::/64", "fd01:203:405:6:1::5", "2001:db8:1:2:d554::5"},
    Row{"fd01:203:405:6::/64",
        "2001:db8:1:2::/64",
        "fd01:203:405:6:ffff:1::5",
        "2001:db8:1:2:ffff:d554:0:5"},
    Row{"fd01:203:405:6::/64",
        "2001:db8:1:2::/64",
        "fd01:203:405:6:ffff:ffff:ffff:1",
        "2001:db8:1:2:ffff:ffff:ffff:d554"},
    Row{"fd01:203:405:6::/64", "2001:db8:1:2::/64", "fd01:203:405:6:ffff:ffff:ffff:ffff", nullptr},
    Row{"fd01:203:405:6::/64", "2001:db8:1:2::/64", "fd01:203:405:6::", nullptr},
    // Its counterpart would have the interface identifier 0, and could not come back.
    Row{"fd01:203:405:6::/64", "2001:db8:1:2::/64", "fd01:203:405:6:2aac::", nullptr},
  };
  for (const Row& row : ROWS) {
    CAPTURE(row.from);
    const auto got
      = translate_neutrally(address(row.from), prefix(row.inside), prefix(row.outside));
    const auto* const translated = std::get_if<IpAddress>(&got);
    REQUIRE((translated != nullptr) == (row.to != nullptr));
    if (translated != nullptr) {
      CHECK(translated->to_string() == address(row.to).to_string());
    }
  }
}

TEST_CASE("a neutral translation keeps the sum and comes back, for every length")
{
  std::mt19937_64 random(6296);
  int translated = 0;
  for (int round = 0; round < 20000; ++round) {
    const auto length = static_cast<unsigned>(random() % (NPTV6_MAX_LENGTH_BITS + 1));
    const Prefix inside(Prefix(random_address(random), length).network(), length);
    const Prefix outside(Prefix(random_address(random), length).network(), length);
    const IpAddress from = rewrite_prefix(random_address(random), inside);
    CAPTURE(inside.to_string());
    CAPTURE(outside.to_string());
    CAPTURE(from.to_string());
    const auto there = translate_neutrally(from, inside, outside);
    if (const auto* const to = std::get_if<IpAddress>(&there)) {
      ++translated;
      CHECK(outside.contains(*to));
      CHECK(sum_of(*to) == sum_of(from));
      CHECK(std::get<IpAddress>(translate_neutrally(*to, outside, inside)) == from);
    }
  }
  CHECK(translated > 15000);
}

TEST_CASE("a plain rewrite keeps the bits behind the prefix, for every length")
{
  std::mt19937_64 random(1);
  for (unsigned length = 0; length <= 128; ++length) {
    CAPTURE(length);
    const IpAddress from = random_address(random);
    const Prefix inside(from, length);
    const Prefix outside(random_address(random), length);
    const IpAddress to = rewrite_prefix(from, outside);
    CHECK(outside.contains(to));
    CHECK(rewrite_prefix(to, inside) == from);
  }
  CHECK(rewrite_prefix(address("2001:db8:1:2345::9"), prefix("2001:db8:ffff::/52"))
        == address("2001:db8:ffff:345::9"));
}
