// What the user side writes about mapped IPv6 flows, where the maps are full and where nothing is.

#include "flow/map_edit.hh"
#include "mapped_bed.hh"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <functional>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

constexpr std::uint8_t ZONE = 3;
constexpr std::uint8_t OTHER_ZONE = 4;

std::size_t prefix_entries(const NatBed& nat)
{
  return nat.entries("prefixes", sizeof(nat_prefix_key));
}

PrefixMap map_of(std::string_view batch)
{
  PrefixMap map(HashSecret{1, 2});
  apply_edits(map, parse_map_batch(batch));
  return map;
}

/// As many mappings as a guest may have; those of two numbers have no prefix in common.
PrefixMap many(unsigned number, std::size_t count = PrefixMap::MAX_MAPPINGS)
{
  std::string batch;
  for (std::size_t i = 0; i < count; ++i) {
    batch += fmt::format("add eth0 fd00:{0:x}:{1:x}::/64 2001:db8:{0:x}:{1:x}::/64\n", number, i);
  }
  return map_of(batch);
}

nat_mapped_key key_of(std::uint16_t port)
{
  return mapped_key({PROTOCOL_UDP, {MAPPED_GUESTS[0].address, port}, MAPPED_REMOTE},
                    IpAddress::parse("2001:db8:1::5").value());
}

} // namespace

TEST_CASE("the same mappings again change nothing, and leave nothing when they go")
{
  NatBed nat(NatHook::xdp);
  PrefixMirror mirror(nat.object());
  const PrefixMap map = many(1, 10);
  for (int i = 0; i < 3; ++i) {
    CHECK(mirror.set(guest_of(ZONE), map));
    CHECK(mirror.size() == 10);
    CHECK(prefix_entries(nat) == 20);
  }
  CHECK(mirror.set(guest_of(ZONE), map_of("")));
  CHECK(prefix_entries(nat) == 0);
  mirror.clear(ZONE);
  mirror.clear(OTHER_ZONE);
  CHECK(mirror.size() == 0);
  CHECK(prefix_entries(nat) == 0);
}

TEST_CASE("an external prefix stays as long as one mapping has it")
{
  NatBed nat(NatHook::xdp);
  PrefixMirror mirror(nat.object());
  CHECK(mirror.set(guest_of(ZONE),
                   map_of("add eth0 fd00:1::/64 2001:db8:1::/64\n"
                          "add eth1 fd00:2::/64 2001:db8:1::/64\n")));
  CHECK(mirror.set(guest_of(OTHER_ZONE), map_of("add eth0 fd00:1::/64 2001:db8:1::/64\n")));
  CHECK(prefix_entries(nat) == 4);
  CHECK(mirror.set(guest_of(ZONE), map_of("add eth0 fd00:1::/64 2001:db8:9::/64\n")));
  CHECK(prefix_entries(nat) == 4); // two of each guest
  mirror.clear(OTHER_ZONE);
  CHECK(prefix_entries(nat) == 2);
  mirror.clear(ZONE);
  CHECK(prefix_entries(nat) == 0);
}

TEST_CASE("a guest whose mappings find no room has none, and takes none from another")
{
  NatBed nat(NatHook::xdp);
  PrefixMirror mirror(nat.object());
  const PrefixMap full = many(1);
  REQUIRE(mirror.set(guest_of(ZONE), full));
  CHECK(prefix_entries(nat) == 20'000);
  CHECK_FALSE(mirror.set(guest_of(OTHER_ZONE), many(2, 3)));
  CHECK_FALSE(mirror.set(guest_of(OTHER_ZONE), map_of("add eth0 fd00::/64 2001:db8:1::/64\n")));
  CHECK(mirror.size() == full.size());
  CHECK(prefix_entries(nat) == 20'000);
  CHECK(mirror.set(guest_of(ZONE), full));
  mirror.clear(ZONE);
  CHECK(prefix_entries(nat) == 0);
  CHECK(mirror.set(guest_of(OTHER_ZONE), many(2, 3)));
  CHECK(prefix_entries(nat) == 6);
}

TEST_CASE("mappings that fit are taken though those that they replace have filled the map")
{
  NatBed nat(NatHook::xdp);
  PrefixMirror mirror(nat.object());
  PrefixMap map = many(1);
  REQUIRE(mirror.set(guest_of(ZONE), map));
  apply_edits(map, parse_map_batch("del eth0 fd00:1::/64\nadd eth0 fd00:9::/64 2001:db8:9::/64\n"));
  CHECK(mirror.set(guest_of(ZONE), map));
  CHECK(prefix_entries(nat) == 20'000);
  apply_edits(map, parse_map_batch("del eth0 fd00:9::/64\nadd eth0 fd00:9::/64 2001:db8:8::/64\n"));
  CHECK(mirror.set(guest_of(ZONE), map));
  CHECK(mirror.set(guest_of(ZONE), many(2)));
  CHECK(mirror.size() == PrefixMap::MAX_MAPPINGS);
  CHECK(prefix_entries(nat) == 20'000);
  mirror.clear(ZONE);
  CHECK(prefix_entries(nat) == 0);
}

TEST_CASE("a full map of flows takes no more, and one again for each that ends")
{
  NatBed nat(NatHook::xdp);
  MappedFlows flows(nat.object(), {}, {}, [] {});
  std::uint16_t port = 1;
  while (flows.add(key_of(port), {}, 0)) {
    ++port;
  }
  const std::size_t room = flows.size();
  CHECK(room == 256);
  CHECK(nat.entries("mapped", sizeof(nat_mapped_key)) == room);
  CHECK_FALSE(flows.add(key_of(1), {}, 0)); // one that there is
  flows.erase(key_of(1));
  CHECK(flows.size() == room - 1);
  CHECK(flows.add(key_of(port), {}, 0));
  CHECK_FALSE(flows.add(key_of(1), {}, 0));
  CHECK(flows.sweep(kernel_time()) == 0); // last seen at time 0
  CHECK(nat.entries("mapped", sizeof(nat_mapped_key)) == 0);
}

TEST_CASE("a flow that is not there ends without being counted")
{
  NatBed nat(NatHook::xdp);
  MappedFlows flows(nat.object(), {}, {.max_flows = 2}, [] {});
  flows.erase(key_of(1));
  CHECK(flows.size() == 0);
  CHECK(flows.add(key_of(1), {}, 0));
  flows.erase(key_of(2));
  CHECK(flows.size() == 1);
  flows.erase(key_of(1));
  flows.erase(key_of(1));
  CHECK(flows.size() == 0);
  CHECK(flows.add(key_of(1), {}, 0));
  CHECK(flows.add(key_of(2), {}, 0));
  CHECK_FALSE(flows.add(key_of(3), {}, 0));
}

TEST_CASE("a predecessor's flow comes in still, and its guest is asked about before it goes on")
{
  for (const NatHook hook : BOTH_HOOKS) {
    for (const std::uint8_t protocol : MAPPED_PROTOCOLS) {
      CAPTURE(protocol);
      MappedBed bed(hook);
      const Packet sent = request(MAPPED_GUESTS[0], protocol);
      const Bytes answer = build_v6(reply_to(outside(bed, sent)));
      bed.carry(sent);
      MappedFlows successor(bed.nat.object(), {}, {}, [] {});
      successor.attach(MappedBed::ZONE, [](const FlowKey&) {});
      successor.end_adoption();
      const FlowKey key = SlowPath::flow_of(sent);
      CHECK(successor.size() == 1);
      CHECK(successor.was_carried(MappedBed::ZONE, key));
      CHECK_FALSE(successor.was_carried(OTHER_ZONE, key));
      CHECK(bed.from_world(answer) == Fate::guest);
      CHECK(bed.from_guest(build_v6(sent)) == Fate::slirpstack);
      bed.carry(sent, successor);
      CHECK(successor.size() == 1);
      CHECK_FALSE(successor.was_carried(MappedBed::ZONE, key));
      CHECK(bed.from_guest(build_v6(sent)) == Fate::world);
    }
  }
}

TEST_CASE("a predecessor's flow ends with policy's word, with its mapping, and with its guest")
{
  MappedBed bed(NatHook::xdp);
  const Packet sent = request(MAPPED_GUESTS[0], PROTOCOL_UDP);
  const Bytes answer = build_v6(reply_to(outside(bed, sent)));
  const FlowKey key = SlowPath::flow_of(sent);
  const auto ends_by = [&](const std::function<void(MappedFlows&)>& end) {
    bed.carry(sent, bed.flows);
    MappedFlows successor(bed.nat.object(), {}, {}, [] {});
    end(successor);
    CHECK(successor.size() == 0);
    CHECK_FALSE(successor.was_carried(MappedBed::ZONE, key));
    CHECK(bed.from_world(answer) == Fate::host);
  };
  ends_by([&](MappedFlows& flows) { flows.end_former(MappedBed::ZONE, key); });
  ends_by([](MappedFlows& flows) { flows.end_adoption(); });
  ends_by([&](MappedFlows& flows) {
    flows.end_former_unless(MappedBed::ZONE, [&](const FlowKey& flow, const IpAddress& external) {
      CHECK(flow == key);
      CHECK(external == bed.external_of(key.guest).address);
      return false;
    });
  });
}
