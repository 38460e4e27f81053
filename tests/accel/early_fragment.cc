#include "accel/nat_ring.hh"
#include "accel/nat_table.hh"
#include "nat_bed.hh"
#include "pieces.hh"

#include <chrono>
#include <cstring>
#include <doctest/doctest.h>
#include <utility>
#include <vector>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

const Endpoint GUEST = at("10.0.0.2:5000");
const Endpoint OTHER_GUEST = at("10.0.0.3:5000");
const Endpoint EXTERNAL = at("203.0.113.1:40000");
const Endpoint REMOTE = at("198.51.100.9:53");
constexpr std::uint32_t BED = 1;   // the interface of all frames
constexpr std::uint32_t PLACE = 2; // where a frame says that it had come in
constexpr MacAddress RETURNS_OUT{{NAT_RETURN_PREFIX, 0, 0, 0, 0, PLACE}};
constexpr MacAddress RETURNS_IN{{NAT_RETURN_PREFIX, 1, 0, 0, 0, PLACE}};

struct Record
{
  nat_early early;
  Bytes frame;
};

/// The NAT with somebody who holds fragments: the test.
struct HoldingBed
{
  explicit HoldingBed(NatHook hook, std::uint32_t further_flags = 0)
    : nat(hook), ring(nat.object(), "early", [this](ByteView bytes) { note(bytes); })
  {
    records(); // of others, if the object has been in use
    nat.settings.flags = NAT_HOLDS_FRAGMENTS | further_flags;
    nat.apply();
    nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP);
  }

  std::vector<Record> records()
  {
    ring.read();
    return std::exchange(noted, {});
  }

  /// A frame comes back that had come in at an interface of `tap` and `zone`.
  Outcome comes_back(const MacAddress& from,
                     const MacAddress& source,
                     const Bytes& packet,
                     std::uint32_t tap = 0,
                     std::uint32_t zone = 0)
  {
    NatTable<std::uint32_t, nat_interface> interfaces(nat.object().map("interfaces"));
    interfaces.put(BED, {0, NAT_HOLDER});
    interfaces.put(PLACE, {tap, zone});
    const Outcome outcome = nat.run("nat_tap", frame({from, source, {}}, packet));
    interfaces.erase(BED);
    interfaces.erase(PLACE);
    return outcome;
  }

  NatBed nat;
  std::vector<Record> noted;
  NatRing ring;

private:
  void note(ByteView bytes)
  {
    Record record{};
    REQUIRE(bytes.size() >= sizeof record.early);
    std::memcpy(&record.early, bytes.data(), sizeof record.early);
    const ByteView rest = bytes.subspan(sizeof record.early);
    REQUIRE(record.early.length_bytes <= rest.size());
    record.frame.assign(rest.begin(), rest.begin() + record.early.length_bytes);
    noted.push_back(record);
  }
};

constexpr NatHook BOTH_HOOKS[] = {NatHook::xdp, NatHook::tc};

} // namespace

TEST_CASE("a guest's fragment before the first is held, and passes when that has passed")
{
  for (const NatHook hook : BOTH_HOOKS) {
    HoldingBed bed(hook);
    const Bytes sent = datagram(GUEST, REMOTE);
    const Bytes early = frame(FROM_GUEST, later(sent));
    CHECK(bed.nat.run("nat_internal", early).verdict == Verdict::drop);
    auto records = bed.records();
    REQUIRE(records.size() == 1);
    CHECK(records[0].frame == early);
    CHECK(records[0].early.ifindex == BED);
    const nat_fragment_key key = records[0].early.key;
    CHECK(bed.nat.counted(NAT_HELD) == 1);
    CHECK(bed.comes_back(RETURNS_OUT, GUEST_MAC, later(sent)).verdict == Verdict::drop);
    CHECK(bed.records().empty()); // not held a second time
    CHECK(bed.nat.counted(NAT_DROP_FRAGMENT) == 1);

    bed.nat.run("nat_internal", frame(FROM_GUEST, first(sent)));
    records = bed.records();
    REQUIRE(records.size() == 1);
    CHECK(records[0].frame.empty()); // it says that the first is there
    CHECK(std::memcmp(&records[0].early.key, &key, sizeof key) == 0);
    const Outcome passed = bed.comes_back(RETURNS_OUT, GUEST_MAC, later(sent));
    CHECK(passed.verdict == Verdict::redirect);
    CHECK(passed.frame == frame(TO_WORLD, later(datagram(EXTERNAL, REMOTE, 63))));
    bed.nat.run("nat_internal", frame(FROM_GUEST, first(sent)));
    CHECK(bed.records().empty()); // nobody waits any more
  }
}

TEST_CASE("a fragment from outside before the first is held, and comes in when that has")
{
  for (const NatHook hook : BOTH_HOOKS) {
    HoldingBed bed(hook);
    const Bytes answer = datagram(REMOTE, EXTERNAL);
    const Bytes early = frame(FROM_WORLD, later(answer));
    CHECK(bed.nat.run("nat_external", early).verdict == Verdict::drop);
    const auto records = bed.records();
    REQUIRE(records.size() == 1);
    CHECK(records[0].frame == early);
    CHECK(records[0].early.key.inbound == 1);
    CHECK(bed.comes_back(RETURNS_IN, ROUTER_MAC, later(answer)).verdict == Verdict::drop);
    bed.nat.run("nat_external", frame(FROM_WORLD, first(answer)));
    CHECK(bed.records().size() == 1);
    const Outcome passed = bed.comes_back(RETURNS_IN, ROUTER_MAC, later(answer));
    CHECK(passed.verdict == Verdict::redirect);
    CHECK(passed.frame == frame(TO_GUEST, later(datagram(REMOTE, GUEST, 63))));
  }
}

TEST_CASE("an early fragment for the host's own address is the host's at once, and a copy is held")
{
  for (const NatHook hook : BOTH_HOOKS) {
    HoldingBed bed(hook, NAT_POOL_IS_LOCAL);
    const Bytes answer = datagram(REMOTE, EXTERNAL);
    CHECK(bed.nat.run("nat_external", frame(FROM_WORLD, later(answer))).verdict == Verdict::host);
    CHECK(bed.records().size() == 1);
    CHECK(bed.comes_back(RETURNS_IN, ROUTER_MAC, later(answer)).verdict == Verdict::drop);
    CHECK(bed.nat.counted(NAT_DROP_FRAGMENT) == 0); // the host may have had it
    bed.nat.run("nat_external", frame(FROM_WORLD, first(answer)));
    CHECK(bed.comes_back(RETURNS_IN, ROUTER_MAC, later(answer)).frame
          == frame(TO_GUEST, later(datagram(REMOTE, GUEST, 63))));
  }
}

TEST_CASE("the rest of a datagram is the host's where its first fragment was")
{
  FOR_BOTH_HOOKS(nat)
  {
    const Bytes whole = datagram(REMOTE, EXTERNAL);
    CHECK(nat.run("nat_external", frame(FROM_WORLD, first(whole))).verdict == Verdict::host);
    nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP);
    CHECK(nat.run("nat_external", frame(FROM_WORLD, later(whole))).verdict == Verdict::host);
  }
}

TEST_CASE("where slirpstack has the first fragment it gets all others, early ones too")
{
  for (const NatHook hook : BOTH_HOOKS) {
    HoldingBed bed(hook);
    bed.nat.set_tap();
    const Bytes sent = datagram(OTHER_GUEST, REMOTE);
    bed.nat.run("nat_internal", frame(FROM_GUEST, later(sent)));
    CHECK(bed.records().size() == 1);
    CHECK(bed.nat.run("nat_internal", frame(FROM_GUEST, first(sent))).frame
          == frame(FROM_GUEST, first(sent)));
    CHECK(bed.records().size() == 1);
    // Bound by another packet, while slirpstack waits for the rest of this one.
    bed.nat.bind(OTHER_GUEST, at("203.0.113.1:40001"), PROTOCOL_UDP);
    for (const Outcome& outcome :
         {bed.comes_back(RETURNS_OUT, GUEST_MAC, later(sent), BED),
          (bed.nat.set_tap(), bed.nat.run("nat_internal", frame(FROM_GUEST, later(sent))))}) {
      CHECK(outcome.verdict == Verdict::redirect);
      CHECK(outcome.frame == frame(FROM_GUEST, later(sent)));
    }
    CHECK(bed.nat.counted(NAT_TO_SLIRPSTACK) == 3);
  }
}

TEST_CASE("a guest's first fragment releases nothing of another guest's")
{
  constexpr std::uint32_t OTHER_ZONE = 2;
  for (const NatHook hook : BOTH_HOOKS) {
    HoldingBed bed(hook, NAT_ZONES);
    const Bytes sent = datagram(GUEST, REMOTE);
    bed.nat.set_tap(OTHER_ZONE);
    bed.nat.run("nat_internal", frame(FROM_GUEST, later(sent)));
    auto records = bed.records();
    REQUIRE(records.size() == 1);
    CHECK(records[0].early.share == OTHER_ZONE);
    bed.nat.set_tap(0);
    bed.nat.run("nat_internal", frame(FROM_GUEST, first(sent)));
    CHECK(bed.records().empty());
    const Outcome kept = bed.comes_back(RETURNS_OUT, GUEST_MAC, later(sent), BED, OTHER_ZONE);
    CHECK(kept.verdict == Verdict::drop);
  }
}

TEST_CASE("a fragment larger than most, and one in a VLAN, are held as they came")
{
  for (const NatHook hook : BOTH_HOOKS) {
    HoldingBed bed(hook);
    Packet large;
    large.source = GUEST;
    large.destination = REMOTE;
    large.data.assign(3040, 'x');
    const Bytes whole = build(large);
    const Bytes jumbo = frame(FROM_GUEST, fragment(whole, 24, 3000, true));
    const Frame in_vlan{GATEWAY_MAC, GUEST_MAC, 7};
    const Bytes tagged = frame(in_vlan, fragment(whole, 24, 3000, true));
    for (const Bytes& each : {jumbo, tagged}) {
      bed.nat.run("nat_internal", each);
      const auto records = bed.records();
      REQUIRE(records.size() == 1);
      CHECK(records[0].frame == each);
    }
  }
}

TEST_CASE("an early fragment that is cut short is held by nobody, wherever it is cut")
{
  for (const NatHook hook : BOTH_HOOKS) {
    HoldingBed bed(hook);
    for (const bool is_inbound : {false, true}) {
      const Bytes whole = is_inbound ? frame(FROM_WORLD, later(datagram(REMOTE, EXTERNAL)))
                                     : frame(FROM_GUEST, later(datagram(GUEST, REMOTE)));
      const std::size_t shortest = hook == NatHook::xdp ? 15 : 34; // that the kernel tests with
      for (std::size_t size = shortest; size < whole.size(); ++size) {
        CAPTURE(size);
        const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        const auto outcome = bed.nat.run(is_inbound ? "nat_external" : "nat_internal", cut);
        CHECK(outcome.verdict != Verdict::redirect);
      }
    }
    CHECK(bed.records().empty());
    CHECK(bed.nat.counted(NAT_HELD) == 0);
  }
}

TEST_CASE("a flood of early fragments is held at a bounded rate, and leaves others their share")
{
  constexpr unsigned FLOOD = 2000;
  constexpr std::uint64_t BURST = 256;
  for (const NatHook hook : BOTH_HOOKS) {
    HoldingBed bed(hook);
    const Bytes early = frame(FROM_GUEST, later(datagram(GUEST, REMOTE)));
    const auto began = Clock::now();
    for (unsigned i = 0; i < FLOOD; ++i) {
      bed.nat.run("nat_internal", early);
      bed.records();
    }
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began);
    constexpr std::uint64_t US_EACH = 100;
    constexpr std::uint64_t TICK = 100; // the clock is coarse
    const auto earned = static_cast<std::uint64_t>(took.count()) / US_EACH + TICK;
    CHECK(bed.nat.counted(NAT_HELD) <= BURST + earned);
    CHECK(bed.nat.counted(NAT_HELD) + bed.nat.counted(NAT_DROP_FRAGMENT) == FLOOD);
    bed.nat.run("nat_internal", frame(FROM_GUEST, later(datagram(OTHER_GUEST, REMOTE))));
    CHECK(bed.records().size() == 1);
  }
}

TEST_CASE("more early fragments than there is room for are dropped and counted")
{
  constexpr unsigned FLOOD = 400;
  for (const NatHook hook : BOTH_HOOKS) {
    HoldingBed bed(hook);
    for (unsigned i = 0; i < FLOOD; ++i) {
      const Endpoint source{IpAddress::ipv4(GUEST.address.ipv4_value() + i % 200), 5000};
      bed.nat.run("nat_internal", frame(FROM_GUEST, later(datagram(source, REMOTE))));
    }
    const std::uint64_t held = bed.nat.counted(NAT_HELD);
    CHECK(held < FLOOD);
    CHECK(bed.records().size() == held);
    CHECK(held + bed.nat.counted(NAT_DROP_FRAGMENT) == FLOOD);
  }
}
