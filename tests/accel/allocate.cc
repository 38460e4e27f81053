#include "nat_bed.hh"
#include "wire/ethernet.hh"

#include <doctest/doctest.h>
#include <set>
#include <string>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

const Endpoint GUEST = at("10.0.0.2:5000");
const Endpoint REMOTE = at("198.51.100.9:53");
const Endpoint ROUTER = at("10.0.0.1:0");

Packet packet_to(const Endpoint& source, const Endpoint& destination)
{
  Packet packet;
  packet.source = source;
  packet.destination = destination;
  return packet;
}

/// The router's ICMP error about `packet`, to its sender.
Bytes answer_to(const Packet& packet, std::uint8_t type, std::uint8_t code, std::uint16_t mtu = 0)
{
  Bytes quote = build(packet);
  quote.resize(20 + packet.options.size() + (packet.protocol == PROTOCOL_TCP ? 18 : 8));
  Packet error = packet_to(ROUTER, packet.source);
  error.protocol = PROTOCOL_ICMP;
  error.identification = 0;
  error.icmp_type = type;
  error.icmp_code = code;
  error.icmp_mtu = mtu;
  error.icmp_quote = quote;
  return build(error);
}

void expect_answer(const Outcome& outcome, const Bytes& error)
{
  CHECK(outcome.verdict == Verdict::redirect);
  CHECK(outcome.frame == frame(TO_GUEST, error));
}

void allow_allocation(NatBed& nat)
{
  nat.settings.flags |= NAT_ALLOCATE;
  nat.apply();
}

} // namespace

TEST_CASE("a new endpoint gets a port of its class, the same for all remotes")
{
  for (const char* guest : {"10.0.0.2:5000", "10.0.0.2:500"}) {
    FOR_BOTH_HOOKS(nat)
    {
      allow_allocation(nat);
      Packet sent = packet_to(at(guest), REMOTE);
      const Outcome first = nat.from_guest(sent);
      const Endpoint external = nat.external_of(sent.source, PROTOCOL_UDP);
      CHECK((external.port < 1024) == (sent.source.port < 1024));
      Packet seen = packet_to(external, REMOTE);
      seen.hop_limit = 63;
      CHECK(first.frame == frame(TO_WORLD, build(seen)));
      sent.destination = seen.destination = at("192.0.2.7:123");
      CHECK(nat.from_guest(sent).frame == frame(TO_WORLD, build(seen)));
      CHECK(nat.counted(NAT_ALLOCATED) == 1);
    }
  }
}

TEST_CASE("all endpoints of a guest share one external address")
{
  FOR_BOTH_HOOKS(nat)
  {
    allow_allocation(nat);
    for (std::uint16_t port = 2000; port < 2032; ++port) {
      CHECK(nat.from_guest(packet_to({GUEST.address, port}, REMOTE)).verdict == Verdict::redirect);
    }
    const IpAddress address = nat.external_of({GUEST.address, 2000}, PROTOCOL_UDP).address;
    for (std::uint16_t port = 2000; port < 2032; ++port) {
      CHECK(nat.external_of({GUEST.address, port}, PROTOCOL_UDP).address == address);
    }
  }
}

TEST_CASE("a port block is used up to its last port, then the guest is told")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.settings.block_ports = 16;
    allow_allocation(nat);
    for (std::uint16_t port = 2000; port < 2016; ++port) {
      REQUIRE(nat.from_guest(packet_to({GUEST.address, port}, REMOTE)).verdict
              == Verdict::redirect);
      // RFC 7422: the third address (index 2) has the third block.
      const Endpoint external = nat.external_of({GUEST.address, port}, PROTOCOL_UDP);
      CHECK(external.address.to_string() == "203.0.113.1");
      CHECK(external.port >= 1024 + 32);
      CHECK(external.port < 1024 + 48);
    }
    const Packet refused = packet_to({GUEST.address, 2016}, REMOTE);
    expect_answer(nat.from_guest(refused), answer_to(refused, 3, 1));
    CHECK(nat.counted(NAT_DROP_EXHAUSTED) == 1);
    CHECK(nat.entries("owners", sizeof(nat_endpoint)) == 16);
    CHECK(nat.from_guest(packet_to(at("10.0.0.3:1"), REMOTE)).verdict == Verdict::redirect);
  }
}

TEST_CASE("a guest beyond its quota is told, and its live bindings stay")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.settings.quota = 2;
    allow_allocation(nat);
    CHECK(nat.from_guest(packet_to({GUEST.address, 1}, REMOTE)).verdict == Verdict::redirect);
    CHECK(nat.from_guest(packet_to({GUEST.address, 2}, REMOTE)).verdict == Verdict::redirect);
    const Packet refused = packet_to({GUEST.address, 3}, REMOTE);
    expect_answer(nat.from_guest(refused), answer_to(refused, 3, 1)); // RFC 6888 REQ-11B
    CHECK(nat.counted(NAT_OUT) == 2);
    CHECK(nat.from_guest(packet_to({GUEST.address, 1}, REMOTE)).verdict == Verdict::redirect);
    CHECK(nat.counted(NAT_OUT) == 3);
  }
}

TEST_CASE("full maps refuse and leave no half of a binding")
{
  FOR_BOTH_HOOKS(nat)
  {
    allow_allocation(nat);
    for (std::uint16_t port = 2000; port < 2400; ++port) {
      nat.from_guest(packet_to({GUEST.address, port}, REMOTE));
    }
    CHECK(nat.counted(NAT_DROP_EXHAUSTED) > 0);
    CHECK(nat.counted(NAT_DROP_EXHAUSTED) + nat.counted(NAT_OUT) == 400);
    CHECK(nat.entries("owners", sizeof(nat_endpoint))
          == nat.entries("bindings", sizeof(nat_endpoint)));
  }
}

TEST_CASE("a claim without a binding is given back")
{
  FOR_BOTH_HOOKS(nat)
  {
    allow_allocation(nat);
    nat.fill_bindings();
    const Packet refused = packet_to(GUEST, REMOTE);
    expect_answer(nat.from_guest(refused), answer_to(refused, 3, 1));
    CHECK(nat.entries("owners", sizeof(nat_endpoint)) == 0);
  }
}

TEST_CASE("a packet on its last hop is answered in the router's name")
{
  for (const std::uint8_t protocol : {PROTOCOL_UDP, PROTOCOL_TCP, PROTOCOL_ICMP}) {
    FOR_BOTH_HOOKS(nat)
    {
      allow_allocation(nat);
      Packet packet = packet_to(GUEST, REMOTE);
      packet.protocol = protocol;
      packet.hop_limit = 1;
      expect_answer(nat.from_guest(packet), answer_to(packet, 11, 0));
      CHECK(nat.entries("bindings", sizeof(nat_endpoint)) == 0);
    }
  }
}

TEST_CASE("a packet too big for the route is answered with the MTU")
{
  FOR_BOTH_HOOKS(nat)
  {
    allow_allocation(nat);
    nat.route(Prefix::parse("198.51.100.0/24").value(), 576);
    Packet packet = packet_to(GUEST, REMOTE);
    packet.data.assign(600, 'x');
    packet.dont_fragment = true;
    expect_answer(nat.from_guest(packet), answer_to(packet, 3, 4, 576));
  }
}

TEST_CASE("without a neighbour nothing is sent and nothing leaks to the host")
{
  FOR_BOTH_HOOKS(nat)
  {
    allow_allocation(nat);
    nat.route(Prefix::parse("198.51.100.0/24").value(), 1500, NAT_ROUTE_UNRESOLVED);
    CHECK(nat.from_guest(packet_to(GUEST, REMOTE)).verdict == Verdict::drop);
    CHECK(nat.counted(NAT_DROP_NO_ROUTE) == 1);
    CHECK(nat.from_guest(packet_to(GUEST, at("203.0.113.1:22"))).verdict == Verdict::drop);
    nat.settings.flags |= NAT_POOL_IS_LOCAL;
    nat.apply();
    CHECK(nat.from_guest(packet_to(GUEST, at("203.0.113.1:22"))).verdict == Verdict::host);
  }
}

TEST_CASE("external addresses need not follow one another, and all of them are used")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.settings.external_ranges = 2;
    nat.settings.external[0].count = 1; // 203.0.113.1
    nat.settings.external[1] = {IpAddress::parse("192.0.2.77")->ipv4_value(), 1};
    allow_allocation(nat);
    std::set<std::string> used;
    for (std::uint32_t guest = 2; guest < 34; ++guest) {
      const Endpoint internal{IpAddress::ipv4(0x0a000000 + guest), 5000};
      REQUIRE(nat.from_guest(packet_to(internal, REMOTE)).verdict == Verdict::redirect);
      used.insert(nat.external_of(internal, PROTOCOL_UDP).address.to_string());
    }
    CHECK(used == std::set<std::string>{"192.0.2.77", "203.0.113.1"});
  }
}

TEST_CASE("no well-known port of an address that is the host's own is given out")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.settings.flags |= NAT_POOL_IS_LOCAL;
    allow_allocation(nat);
    for (std::uint16_t port = 1; port < 200; ++port) {
      REQUIRE(nat.from_guest(packet_to({GUEST.address, port}, REMOTE)).verdict
              == Verdict::redirect);
      CHECK(nat.external_of({GUEST.address, port}, PROTOCOL_UDP).port >= 1024);
    }
  }
}

TEST_CASE("ports do not follow one another")
{
  FOR_BOTH_HOOKS(nat)
  {
    allow_allocation(nat);
    int neighbours = 0;
    std::uint16_t before = 0;
    for (std::uint16_t port = 2000; port < 2100; ++port) {
      nat.from_guest(packet_to({GUEST.address, port}, REMOTE));
      const std::uint16_t external = nat.external_of({GUEST.address, port}, PROTOCOL_UDP).port;
      neighbours += external == before + 1 || external + 1 == before ? 1 : 0;
      before = external;
    }
    CHECK(neighbours < 5); // of 64512 ports two in a row are hardly ever next to each other
  }
}
