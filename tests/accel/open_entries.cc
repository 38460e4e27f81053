// What the user side writes about open mappings.

#include "accel/nat_object.hh"
#include "flow/map_edit.hh"
#include "mapped_bed.hh"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

constexpr std::uint8_t ZONE = 3;
constexpr std::uint8_t OTHER_ZONE = 4;
constexpr const char* ASKED = "add eth0 fd00:1::/64 2001:db8:1::/64\n";
constexpr const char* OPEN = "add eth0 fd00:1::/64 2001:db8:1::/64 open\n";
constexpr const char* NEUTRAL = "add eth0 fd00:1::/64 2001:db8:1::/64 neutral open\n";

PrefixMap map_of(std::string_view batch)
{
  PrefixMap map(HashSecret{1, 2});
  map.allow_open();
  apply_edits(map, parse_map_batch(batch));
  return map;
}

nat_prefix inbound_of(const NatObject& object)
{
  const NatTable<nat_prefix_key, nat_prefix> prefixes(object.map("prefixes"));
  const auto entry
    = prefixes.find(prefix_key(NAT_PREFIX_EXTERNAL, Prefix::parse("2001:db8:1::/64").value()));
  REQUIRE(entry.has_value());
  return *entry;
}

/// As many as a guest may have.
std::string many(unsigned number)
{
  std::string batch;
  for (std::size_t i = 0; i < PrefixMap::MAX_MAPPINGS; ++i) {
    batch += fmt::format("add eth0 fd00:{0:x}:{1:x}::/64 2001:db8:{0:x}:{1:x}::/64\n", number, i);
  }
  return batch;
}

} // namespace

TEST_CASE("a mapping is opened and closed again in place")
{
  NatBed nat(NatHook::xdp);
  PrefixMirror mirror(nat.object());
  for (int i = 0; i < 2; ++i) {
    REQUIRE(mirror.set(guest_of(ZONE), map_of(ASKED)));
    CHECK(inbound_of(nat.object()).flags == NAT_PREFIX_ASKED);
    REQUIRE(mirror.set(guest_of(ZONE), map_of(OPEN)));
    const nat_prefix entry = inbound_of(nat.object());
    CHECK(entry.flags == 0);
    CHECK(entry.zone == ZONE);
    CHECK(entry.ifindex == 1);
    CHECK(entry.mtu == 1500);
    REQUIRE(mirror.set(guest_of(ZONE), map_of(NEUTRAL)));
    CHECK(inbound_of(nat.object()).flags == NAT_PREFIX_NEUTRAL);
  }
  mirror.clear(ZONE);
  CHECK(nat.entries("prefixes", sizeof(nat_prefix_key)) == 0);
}

TEST_CASE("an external prefix is open for the guest that opened it first")
{
  NatBed nat(NatHook::xdp);
  PrefixMirror mirror(nat.object());
  REQUIRE(mirror.set(guest_of(ZONE), map_of(OPEN)));
  REQUIRE(mirror.set(guest_of(OTHER_ZONE), map_of(OPEN)));
  CHECK(inbound_of(nat.object()).zone == ZONE);
  mirror.clear(OTHER_ZONE);
  CHECK(inbound_of(nat.object()).flags == 0);
  REQUIRE(mirror.set(guest_of(OTHER_ZONE), map_of(ASKED)));
  mirror.clear(ZONE);
  CHECK(inbound_of(nat.object()).flags == NAT_PREFIX_ASKED);
  REQUIRE(mirror.set(guest_of(OTHER_ZONE), map_of(OPEN)));
  CHECK(inbound_of(nat.object()).zone == OTHER_ZONE);
  mirror.clear(OTHER_ZONE);
  CHECK(nat.entries("prefixes", sizeof(nat_prefix_key)) == 0);
}

TEST_CASE("each of two guests has room for ten thousand mappings")
{
  const NatObject object(NatHook::xdp, {.prefixes = 4 * PrefixMap::MAX_MAPPINGS});
  PrefixMirror mirror(object);
  CHECK(mirror.set(guest_of(ZONE), map_of(many(1))));
  CHECK(mirror.set(guest_of(OTHER_ZONE), map_of(many(2))));
  CHECK(mirror.size() == 2 * PrefixMap::MAX_MAPPINGS);
}
