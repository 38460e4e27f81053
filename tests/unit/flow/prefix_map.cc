#include "flow/prefix_map.hh"

#include <array>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <functional>
#include <random>
#include <vector>

using namespace slirpstack;

namespace {

constexpr HashSecret SECRET{1, 2};

IpAddress address(std::string_view text)
{
  return IpAddress::parse(text).value();
}

PrefixMapping mapping(std::string_view interface,
                      std::string_view internal,
                      std::string_view external)
{
  return {.interface = std::string(interface),
          .internal = parse_mapping_prefix(internal, MappingPart::internal),
          .external = parse_mapping_prefix(external, MappingPart::external)};
}

/// The error's name and text, or nothing.
std::string failure(const std::function<void()>& attempt)
{
  try {
    attempt();
  } catch (const MappingError& error) {
    return fmt::format("{} {}", error.code_name(), error.what());
  }
  return {};
}

std::string outside(const PrefixMap& map, std::string_view inside)
{
  const auto translated = map.to_external(address(inside)).address;
  return translated ? translated->to_string() : "";
}

std::string inside(const PrefixMap& map, std::string_view outside)
{
  const auto translated = map.to_internal(address(outside)).address;
  return translated ? translated->to_string() : "";
}

} // namespace

TEST_CASE("the longest prefix decides, both ways")
{
  PrefixMap map(SECRET);
  map.add(mapping("eth0", "2001:db8:1::/48", "2001:db8:2::/48"));
  map.add(mapping("eth0", "2001:db8:1:7::/64", "2001:db8:3:1::/64"));
  map.add(mapping("eth0", "2001:db8:1:7::9/128", "2001:db8:4::1/128"));
  CHECK(outside(map, "2001:db8:1:5::1") == "2001:db8:2:5::1");
  CHECK(outside(map, "2001:db8:1:7::1") == "2001:db8:3:1::1");
  CHECK(outside(map, "2001:db8:1:7::9") == "2001:db8:4::1");
  CHECK(outside(map, "2001:db8:9::1").empty());
  CHECK(inside(map, "2001:db8:3:1::1") == "2001:db8:1:7::1");
  CHECK(inside(map, "2001:db8:4::1") == "2001:db8:1:7::9");
  CHECK(inside(map, "2001:db8:4::2").empty());
}

TEST_CASE("the prefix of length 0 holds everything but multicast, link-local and IPv4")
{
  PrefixMap map(SECRET);
  map.add(mapping("eth0", "::/0", "::/0"));
  CHECK(outside(map, "2001:db8::1") == "2001:db8::1");
  CHECK(outside(map, "ff02::1").empty());
  CHECK(outside(map, "fe80::1").empty());
  CHECK(outside(map, "192.0.2.1").empty());
}

TEST_CASE("of several interfaces the first by name counts")
{
  PrefixMap map(SECRET);
  map.add(mapping("eth1", "fd00::/64", "2001:db8:2::/64"));
  map.add(mapping("eth0", "fd00::/64", "2001:db8:3::/64"));
  map.add(mapping("eth2", "fd00::/64", "2001:db8:4::/64"));
  CHECK(outside(map, "fd00::5") == "2001:db8:3::5");
  map.remove("eth0", Prefix(address("fd00::"), 64));
  CHECK(outside(map, "fd00::5") == "2001:db8:2::5");
  CHECK(inside(map, "2001:db8:3::5").empty());
  CHECK(inside(map, "2001:db8:4::5") == "fd00::5");
}

TEST_CASE("what cannot be added says why, and changes nothing")
{
  PrefixMap map(SECRET);
  map.add(mapping("eth0", "2001:db8:1::/64", "2001:db8:2::/64"));
  struct Row
  {
    PrefixMapping mapping;
    const char* failure;
  };
  PrefixMapping too_long = mapping("eth0", "fd00::/65", "fd01::/65");
  too_long.neutral = true;
  const std::array rows{
    Row{mapping("eth0", "2001:db8:1::9/64", "2001:db8:9::/64"),
        "EEXIST 2001:db8:1::/64 is mapped already: eth0 2001:db8:1::/64 -> 2001:db8:2::/64"},
    Row{mapping("eth0", "2001:db8:9::/64", "2001:db8:2::/64"),
        "EEXIST 2001:db8:2::/64 is mapped already: eth0 2001:db8:1::/64 -> 2001:db8:2::/64"},
    Row{mapping("eth0", "2001:db8:9::/64", "2001:db8:8::/63"),
        "EINVAL 2001:db8:9::/64 and 2001:db8:8::/63: both prefixes must be equally long"},
    Row{mapping("eth0", "ff02::/16", "2001::/16"),
        "EINVAL ff02::/16: multicast and link-local addresses are never mapped"},
    Row{mapping("eth0", "2001:db8::/64", "fe80::/64"),
        "EINVAL fe80::/64: multicast and link-local addresses are never mapped"},
    Row{too_long, "EINVAL fd00::/65: a checksum-neutral prefix has at most 64 bits (RFC 6296)"},
  };
  for (const Row& row : rows) {
    CHECK(failure([&] { map.add(row.mapping); }) == row.failure);
  }
  CHECK(failure([&] { map.remove("eth1", Prefix(address("2001:db8:1::"), 64)); })
        == "ENOENT 2001:db8:1::/64 is not mapped on eth1");
  CHECK(map.size() == 1);
  map.add(mapping("eth1", "2001:db8:1::/64", "2001:db8:2::/64")); // another interface
  CHECK(map.size() == 2);
}

TEST_CASE("there is room for ten thousand mappings")
{
  PrefixMap map(SECRET);
  const auto numbered = [](std::size_t number) {
    return mapping("eth0",
                   fmt::format("fd00:0:0:{:x}::/64", number),
                   fmt::format("2001:db8:0:{:x}::/64", number));
  };
  for (std::size_t number = 0; number < PrefixMap::MAX_MAPPINGS; ++number) {
    map.add(numbered(number));
  }
  CHECK(failure([&] { map.add(numbered(PrefixMap::MAX_MAPPINGS)); })
        == "ENOSPC no space: there are 10000 mappings");
  CHECK(outside(map, "fd00:0:0:270f::1") == "2001:db8:0:270f::1");
  map.remove("eth0", numbered(0).internal);
  map.add(numbered(PrefixMap::MAX_MAPPINGS));
  CHECK(outside(map, "fd00::1").empty());
}

TEST_CASE("a map agrees with a list that is searched from end to end")
{
  std::mt19937_64 random(10);
  PrefixMap map(SECRET);
  std::vector<PrefixMapping> all;
  const auto random_prefix = [&](unsigned length) {
    std::array<std::uint8_t, 16> bytes{};
    bytes[0] = 0x20;
    bytes[15] = static_cast<std::uint8_t>(random() % 4);
    bytes[7] = static_cast<std::uint8_t>(random() % 4);
    return Prefix(Prefix(IpAddress(bytes), length).network(), length);
  };
  for (int round = 0; round < 3000; ++round) {
    const auto length = static_cast<unsigned>(56 + random() % 73);
    PrefixMapping made{.interface = random() % 2 == 0 ? "a" : "b",
                       .internal = random_prefix(length),
                       .external = random_prefix(length)};
    const auto same = std::ranges::find_if(all, [&](const PrefixMapping& known) {
      return known.interface == made.interface && known.internal == made.internal;
    });
    if (same != all.end() && random() % 2 == 0) {
      CHECK(map.remove(made.interface, made.internal) == *same);
      all.erase(same);
    } else if (failure([&] { map.add(made); }).empty()) {
      all.push_back(made);
    }
    const IpAddress asked = random_prefix(128).address();
    const PrefixMapping* best = nullptr;
    for (const PrefixMapping& known : all) {
      const auto rank = [](const PrefixMapping& of) {
        return std::pair(-static_cast<int>(of.internal.length_bits()), of.interface);
      };
      if (known.internal.contains(asked) && (best == nullptr || rank(known) < rank(*best))) {
        best = &known;
      }
    }
    const Translation found = map.to_external(asked);
    REQUIRE((found.mapping != nullptr) == (best != nullptr));
    if (best != nullptr) {
      CHECK(*found.mapping == *best);
    }
  }
  CHECK(map.size() == all.size());
}

TEST_CASE("a neutral mapping tells which addresses it has no counterpart for")
{
  PrefixMap map(SECRET);
  PrefixMapping neutral = mapping("eth0", "fd01:203:405::/48", "2001:db8:1::/48");
  neutral.neutral = true;
  map.add(neutral);
  CHECK(outside(map, "fd01:203:405:1::1234") == "2001:db8:1:d550::1234");
  CHECK(inside(map, "2001:db8:1:d550::1234") == "fd01:203:405:1::1234");
  const Translation none = map.to_external(address("fd01:203:405:ffff::1"));
  CHECK(none.mapping != nullptr);
  CHECK_FALSE(none.address);
  CHECK(none.unmappable == Unmappable::subnet);
}
