#include "accel/nat_table.hh"
#include "nat_bed.hh"

#include <doctest/doctest.h>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

const Endpoint GUEST = at("10.0.0.2:5000");
const Endpoint OTHER_GUEST = at("10.0.0.3:80");
const Endpoint EXTERNAL = at("203.0.113.1:40000");
const Endpoint OTHER_EXTERNAL = at("203.0.113.2:8080");
const Endpoint REMOTE = at("198.51.100.9:53");

struct Sample
{
  const char* what;
  Packet packet;
  std::optional<std::uint16_t> vlan = {};
};

/// Each without its ends.
std::vector<Sample> samples()
{
  Packet tcp;
  tcp.protocol = PROTOCOL_TCP;
  Packet bare_udp;
  bare_udp.has_udp_checksum = false;
  Packet echo;
  echo.protocol = PROTOCOL_ICMP;
  Packet options;
  options.options = {7, 7, 4, 0, 0, 0, 0, 0}; // RFC 791: record route, then the end
  Packet odd;
  odd.data = {1, 2, 3, 4, 5, 6, 7};
  return {{"UDP", {}},
          {"UDP, odd length", odd},
          {"UDP without a checksum", bare_udp},
          {"TCP", tcp},
          {"ICMP echo", echo},
          {"IP options", options},
          {"a VLAN tag", {}, 42}};
}

Packet between(Packet packet, const Endpoint& source, const Endpoint& destination)
{
  packet.source = source;
  packet.destination = destination;
  return packet;
}

Frame with_vlan(Frame around, std::optional<std::uint16_t> vlan)
{
  around.vlan = vlan;
  return around;
}

void expect(const Outcome& outcome, const Frame& around, const Bytes& packet)
{
  CHECK(outcome.verdict == Verdict::redirect);
  CHECK(outcome.frame == frame(around, packet));
}

} // namespace

TEST_CASE("a guest's packet leaves with its external source, a valid checksum and one hop less")
{
  for (const Sample& sample : samples()) {
    FOR_BOTH_HOOKS(nat)
    {
      CAPTURE(sample.what);
      nat.bind(GUEST, EXTERNAL, sample.packet.protocol);
      const Packet sent = between(sample.packet, GUEST, REMOTE);
      const Packet seen = one_hop_on(between(sample.packet, EXTERNAL, REMOTE));
      expect(nat.run("nat_internal", frame(with_vlan(FROM_GUEST, sample.vlan), build(sent))),
             with_vlan(TO_WORLD, sample.vlan),
             build(seen));
      CHECK(nat.counted(NAT_OUT) == 1);
    }
  }
}

TEST_CASE("a packet to an external endpoint reaches the guest that it belongs to")
{
  for (Sample sample : samples()) {
    FOR_BOTH_HOOKS(nat)
    {
      CAPTURE(sample.what);
      const bool is_echo = sample.packet.protocol == PROTOCOL_ICMP;
      sample.packet.icmp_type = 0;
      nat.bind(GUEST, EXTERNAL, sample.packet.protocol);
      // An echo has one identifier, which is the external one outside and the guest's inside.
      const Endpoint from{REMOTE.address, is_echo ? EXTERNAL.port : REMOTE.port};
      const Endpoint from_inside{REMOTE.address, is_echo ? GUEST.port : REMOTE.port};
      const Packet sent = between(sample.packet, from, EXTERNAL);
      const Packet seen = one_hop_on(between(sample.packet, from_inside, GUEST));
      expect(nat.run("nat_external", frame(with_vlan(FROM_WORLD, sample.vlan), build(sent))),
             with_vlan(TO_GUEST, sample.vlan),
             build(seen));
    }
  }
}

TEST_CASE("a checksum that comes out as zero is sent as 0xffff")
{
  // All values of one word of data: some of them give each checksum there is.
  FOR_BOTH_HOOKS(nat)
  {
    nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP);
    for (unsigned word = 0; word < 0x10000; word += hook == NatHook::xdp ? 1 : 7) {
      Packet packet;
      packet.data = {static_cast<std::uint8_t>(word >> 8U), static_cast<std::uint8_t>(word)};
      const Outcome outcome = nat.from_guest(between(packet, GUEST, REMOTE));
      REQUIRE(outcome.frame
              == frame(TO_WORLD, build(one_hop_on(between(packet, EXTERNAL, REMOTE)))));
    }
  }
}

TEST_CASE("two guests reach each other by their external endpoints, and see those as sources")
{
  for (const std::uint8_t protocol : {PROTOCOL_UDP, PROTOCOL_TCP}) {
    FOR_BOTH_HOOKS(nat)
    {
      nat.bind(GUEST, EXTERNAL, protocol);
      nat.bind(OTHER_GUEST, OTHER_EXTERNAL, protocol, NAT_STATIC, OTHER_GUEST_MAC);
      Packet packet;
      packet.protocol = protocol;
      expect(nat.from_guest(between(packet, GUEST, OTHER_EXTERNAL)),
             TO_OTHER_GUEST,
             build(one_hop_on(between(packet, EXTERNAL, OTHER_GUEST))));
      CHECK(nat.counted(NAT_HAIRPIN) == 1);
    }
  }
}

TEST_CASE("what nobody owns is the host's, and what is not translated is untouched")
{
  FOR_BOTH_HOOKS(nat)
  {
    const Packet packet = between({}, REMOTE, EXTERNAL);
    const Outcome outcome = nat.from_world(packet);
    CHECK(outcome.verdict == Verdict::host);
    CHECK(outcome.frame == frame(FROM_WORLD, build(packet)));
    CHECK(nat.from_guest(between({}, GUEST, OTHER_GUEST)).verdict == Verdict::host);
    nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP, NAT_QUARANTINED);
    CHECK(nat.from_world(packet).verdict == Verdict::host);
  }
}

TEST_CASE(
  "without a binding the untouched frame goes to slirpstack, and from its tap no second time")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.set_tap();
    const Bytes sent = frame(FROM_GUEST, build(between({}, GUEST, REMOTE)));
    const Outcome first = nat.run("nat_internal", sent);
    CHECK(first.verdict == Verdict::redirect);
    CHECK(first.frame == sent);
    CHECK(nat.counted(NAT_TO_SLIRPSTACK) == 1);
    CHECK(nat.run("nat_tap", sent).verdict == Verdict::drop);
    nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP);
    expect(nat.run("nat_tap", sent), TO_WORLD, build(one_hop_on(between({}, EXTERNAL, REMOTE))));
  }
}

TEST_CASE("a binding of an older policy is asked about anew, a static one is not")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP);
    nat.bind(OTHER_GUEST, OTHER_EXTERNAL, PROTOCOL_UDP, NAT_STATIC);
    nat.settings.generation = 1;
    nat.apply();
    CHECK(nat.from_guest(between({}, GUEST, REMOTE)).verdict == Verdict::drop);
    CHECK(nat.from_guest(between({}, OTHER_GUEST, REMOTE)).verdict == Verdict::redirect);
  }
}

TEST_CASE("RFC 1858: what lies behind the end of a packet is no part of its transport header")
{
  for (const std::uint8_t protocol : {PROTOCOL_UDP, PROTOCOL_TCP, PROTOCOL_ICMP}) {
    for (const bool is_fragment : {false, true}) {
      FOR_BOTH_HOOKS(nat)
      {
        CAPTURE(protocol);
        CAPTURE(is_fragment);
        const Packet sent = between(at("10.0.0.2:5000"), at("198.51.100.9:53"), protocol);
        nat.bind(sent.source, at("203.0.113.1:40000"), protocol);
        const Bytes whole = build(sent);
        const std::size_t length = protocol == PROTOCOL_TCP ? 16 : 4;
        Bytes cut = fragment(whole, 0, length, is_fragment);
        cut.insert(cut.end(), whole.begin() + static_cast<std::ptrdiff_t>(cut.size()), whole.end());
        CHECK(nat.run("nat_internal", frame(FROM_GUEST, cut)).verdict == Verdict::drop);
        CHECK(nat.counted(NAT_DROP_MALFORMED) == 1);
        CHECK(nat.from_guest(sent).verdict == Verdict::redirect);
      }
    }
  }
}

TEST_CASE("what comes in goes to where the guest last sent from")
{
  for (const std::uint8_t protocol : {PROTOCOL_UDP, PROTOCOL_TCP, PROTOCOL_ICMP}) {
    FOR_BOTH_HOOKS(nat)
    {
      CAPTURE(protocol);
      const Packet sent = between(at("10.0.0.2:5000"), at("198.51.100.9:53"), protocol);
      const Endpoint external = at("203.0.113.1:40000");
      nat.bind(sent.source, external, protocol); // at GUEST_MAC; its last packet was at time 0
      Frame moved = FROM_GUEST;
      moved.source = OTHER_GUEST_MAC;
      REQUIRE(nat.run("nat_internal", frame(moved, build(sent))).verdict == Verdict::redirect);
      Packet answer = between(sent.destination, external, protocol, TCP_FLAG_SYN | TCP_FLAG_ACK);
      answer.icmp_type = 0;
      if (protocol == PROTOCOL_ICMP) {
        answer.source.port = external.port;
      }
      const Bytes received = nat.from_world(answer).frame;
      CHECK(
        std::equal(OTHER_GUEST_MAC.bytes.begin(), OTHER_GUEST_MAC.bytes.end(), received.begin()));
    }
  }
}

TEST_CASE("filters let in whom the guest has sent to")
{
  const Endpoint same_address{REMOTE.address, 99};
  const Endpoint stranger = at("198.51.100.77:53");
  struct Row
  {
    nat_filter filter;
    bool same_endpoint, same_address, stranger;
  };
  for (const Row& row : {Row{NAT_FILTER_ENDPOINT, true, true, true},
                         Row{NAT_FILTER_ADDRESS, true, true, false},
                         Row{NAT_FILTER_PORT, true, false, false}}) {
    for (const std::uint8_t protocol : {PROTOCOL_UDP, PROTOCOL_TCP}) {
      FOR_BOTH_HOOKS(nat)
      {
        CAPTURE(row.filter);
        CAPTURE(protocol);
        nat.settings.filter_udp = nat.settings.filter_tcp = row.filter;
        nat.apply();
        nat.bind(GUEST, EXTERNAL, protocol);
        Packet packet;
        packet.protocol = protocol;
        REQUIRE(nat.from_guest(between(packet, GUEST, REMOTE)).verdict == Verdict::redirect);
        const auto is_let_in = [&](const Endpoint& from) {
          return nat.from_world(between(packet, from, EXTERNAL)).verdict == Verdict::redirect;
        };
        CHECK(is_let_in(REMOTE) == row.same_endpoint);
        CHECK(is_let_in(same_address) == row.same_address);
        CHECK(is_let_in(stranger) == row.stranger);
      }
    }
  }
}

TEST_CASE("every truncation of a frame is survived, and none is translated")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.bind(GUEST, EXTERNAL, PROTOCOL_TCP);
    Packet packet;
    packet.protocol = PROTOCOL_TCP;
    const Bytes whole = frame(FROM_GUEST, build(between(packet, GUEST, REMOTE)));
    // The kernel runs TC on no IPv4 packet without a whole header.
    for (std::size_t length = hook == NatHook::tc ? 34 : 15; length < whole.size(); ++length) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
      CAPTURE(length);
      CHECK(nat.run("nat_internal", cut).verdict != Verdict::redirect);
    }
  }
}

TEST_CASE("a destination that is exempt is left alone, and its neighbours are not")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.settings.flags |= NAT_EXEMPTIONS;
    nat.apply();
    nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP);
    NatTable<nat_route_key, std::uint32_t> exempt(nat.object().map("exempt"));
    exempt.put({24, to_map(at("192.0.2.0:0"), 0).address}, 1);
    const Packet packet = between({}, GUEST, at("192.0.2.7:53"));
    const Outcome outcome = nat.from_guest(packet);
    CHECK(outcome.verdict == Verdict::host);
    CHECK(outcome.frame == frame(FROM_GUEST, build(packet)));
    CHECK(nat.from_guest(between({}, GUEST, REMOTE)).verdict == Verdict::redirect);
  }
}

TEST_CASE("where the routes do not fit nothing of the inside is left to the host's forwarding")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.settings.flags |= NAT_EXEMPTIONS;
    nat.apply();
    nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP);
    NatTable<nat_route_key, std::uint32_t> exempt(nat.object().map("exempt"));
    exempt.put({0, 0}, NAT_EXEMPT_UNKNOWN);
    exempt.put({24, to_map(at("192.0.2.0:0"), 0).address}, NAT_EXEMPT);
    CHECK(nat.from_guest(between({}, GUEST, REMOTE)).verdict == Verdict::drop);
    CHECK(nat.counted(NAT_DROP_NO_ROUTE) == 1);
    for (const Endpoint& to : {at("192.0.2.7:53"), OTHER_GUEST, at("224.0.0.1:53")}) {
      CHECK(nat.from_guest(between({}, GUEST, to)).verdict == Verdict::host);
    }
    CHECK(nat.from_guest(between({}, at("172.16.0.1:53"), REMOTE)).verdict == Verdict::host);
    nat.set_tap();
    CHECK(nat.from_guest(between({}, GUEST, REMOTE)).verdict == Verdict::redirect);
    CHECK(nat.counted(NAT_DROP_NO_ROUTE) == 1);
  }
}

TEST_CASE("guests with the same address are told apart by their zone")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.settings.flags |= NAT_ZONES;
    nat.apply();
    nat.set_tap(3);
    nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP); // of zone 0
    const Packet packet = between({}, GUEST, REMOTE);
    nat.from_guest(packet);
    CHECK(nat.counted(NAT_TO_SLIRPSTACK) == 1);
    nat.bind(GUEST, OTHER_EXTERNAL, PROTOCOL_UDP, 0, GUEST_MAC, 3);
    expect(
      nat.from_guest(packet), TO_WORLD, build(one_hop_on(between({}, OTHER_EXTERNAL, REMOTE))));
  }
}
