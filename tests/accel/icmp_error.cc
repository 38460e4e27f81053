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
const Endpoint ROUTER = at("192.0.2.1:0");

Packet quoted(std::uint8_t protocol, const Endpoint& source, const Endpoint& destination)
{
  Packet packet;
  packet.protocol = protocol;
  packet.source = source;
  packet.destination = destination;
  packet.hop_limit = 9;
  return packet;
}

Packet error_about(const Packet& packet,
                   std::size_t transport_bytes,
                   const Endpoint& from,
                   const Endpoint& to)
{
  Bytes quote = build(packet);
  quote.resize(20 + packet.options.size() + transport_bytes);
  Packet error;
  error.protocol = PROTOCOL_ICMP;
  error.source = from;
  error.destination = to;
  error.icmp_type = 3;
  error.icmp_code = 3;
  error.icmp_quote = quote;
  return error;
}

void expect(const Outcome& outcome, const Frame& around, Packet packet)
{
  --packet.hop_limit;
  CHECK(outcome.verdict == Verdict::redirect);
  CHECK(outcome.frame == frame(around, build(packet)));
}

struct Row
{
  std::uint8_t protocol;
  std::size_t quoted_bytes;
};

// With eight bytes TCP's checksum is not quoted.
constexpr Row ROWS[]
  = {{PROTOCOL_UDP, 8}, {PROTOCOL_TCP, 8}, {PROTOCOL_TCP, 20}, {PROTOCOL_ICMP, 12}};

} // namespace

TEST_CASE("an error from outside reaches the guest, about the packet as the guest sent it")
{
  for (const Row& row : ROWS) {
    FOR_BOTH_HOOKS(nat)
    {
      CAPTURE(row.protocol);
      CAPTURE(row.quoted_bytes);
      nat.bind(GUEST, EXTERNAL, row.protocol);
      const Packet outside = quoted(row.protocol, EXTERNAL, REMOTE);
      const Packet inside = quoted(row.protocol, GUEST, REMOTE);
      expect(nat.from_world(error_about(outside, row.quoted_bytes, ROUTER, EXTERNAL)),
             TO_GUEST,
             error_about(inside, row.quoted_bytes, ROUTER, GUEST));
    }
  }
}

TEST_CASE("an error of a guest leaves about the packet as its sender sent it")
{
  for (const Row& row : ROWS) {
    FOR_BOTH_HOOKS(nat)
    {
      CAPTURE(row.protocol);
      CAPTURE(row.quoted_bytes);
      nat.bind(GUEST, EXTERNAL, row.protocol);
      const bool is_echo = row.protocol == PROTOCOL_ICMP;
      const Endpoint inside_remote{REMOTE.address, is_echo ? GUEST.port : REMOTE.port};
      const Endpoint outside_remote{REMOTE.address, is_echo ? EXTERNAL.port : REMOTE.port};
      expect(nat.from_guest(error_about(
               quoted(row.protocol, inside_remote, GUEST), row.quoted_bytes, GUEST, REMOTE)),
             TO_WORLD,
             error_about(
               quoted(row.protocol, outside_remote, EXTERNAL), row.quoted_bytes, EXTERNAL, REMOTE));
    }
  }
}

TEST_CASE("an error between two guests restores both ends")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP);
    nat.bind(OTHER_GUEST, OTHER_EXTERNAL, PROTOCOL_UDP, 0, OTHER_GUEST_MAC);
    expect(nat.from_guest(
             error_about(quoted(PROTOCOL_UDP, OTHER_EXTERNAL, GUEST), 8, GUEST, OTHER_EXTERNAL)),
           TO_OTHER_GUEST,
           error_about(quoted(PROTOCOL_UDP, OTHER_GUEST, EXTERNAL), 8, EXTERNAL, OTHER_GUEST));
  }
}

TEST_CASE("quoted IP options are skipped")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP);
    Packet outside = quoted(PROTOCOL_UDP, EXTERNAL, REMOTE);
    outside.options = {7, 7, 4, 0, 0, 0, 0, 0};
    Packet inside = outside;
    inside.source = GUEST;
    expect(nat.from_world(error_about(outside, 8, ROUTER, EXTERNAL)),
           TO_GUEST,
           error_about(inside, 8, ROUTER, GUEST));
  }
}

TEST_CASE("a quoted header with a wrong checksum is dropped, one of nobody's is the host's")
{
  FOR_BOTH_HOOKS(nat)
  {
    Packet error = error_about(quoted(PROTOCOL_UDP, EXTERNAL, REMOTE), 8, ROUTER, EXTERNAL);
    CHECK(nat.from_world(error).verdict == Verdict::host);
    nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP);
    (*error.icmp_quote)[10] ^= 1U;
    CHECK(nat.from_world(error).verdict == Verdict::drop);
    CHECK(nat.counted(NAT_DROP_CHECKSUM) == 1);
  }
}

TEST_CASE("an error about any kind of query is restored")
{
  for (const std::uint8_t type : {0, 8, 13, 14}) {
    FOR_BOTH_HOOKS(nat)
    {
      CAPTURE(type);
      nat.bind(GUEST, EXTERNAL, PROTOCOL_ICMP);
      Packet outside = quoted(PROTOCOL_ICMP, EXTERNAL, REMOTE);
      outside.icmp_type = type;
      Packet inside = outside;
      inside.source = GUEST;
      expect(nat.from_world(error_about(outside, 8, ROUTER, EXTERNAL)),
             TO_GUEST,
             error_about(inside, 8, ROUTER, GUEST));
    }
  }
}

TEST_CASE("an error with a wrong ICMP checksum is dropped, whichever way it goes")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP);
    // The quotation is longer than what is summed at once, and of an odd length.
    Packet outside = quoted(PROTOCOL_UDP, EXTERNAL, REMOTE);
    outside.data.assign(301, 'x');
    Packet inside = outside;
    inside.source = GUEST;
    Bytes right = build(error_about(outside, 309, ROUTER, EXTERNAL));
    CHECK(nat.run("nat_external", frame(FROM_WORLD, right)).verdict == Verdict::redirect);
    right.back() ^= 1U;
    CHECK(nat.run("nat_external", frame(FROM_WORLD, right)).verdict == Verdict::drop);
    Bytes out = build(error_about(quoted(PROTOCOL_UDP, REMOTE, GUEST), 8, GUEST, REMOTE));
    out.back() ^= 1U;
    CHECK(nat.run("nat_internal", frame(FROM_GUEST, out)).verdict == Verdict::drop);
    CHECK(nat.counted(NAT_DROP_CHECKSUM) == 2);
  }
}

TEST_CASE("an error neither refreshes nor ends what it is about")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.settings.flags |= NAT_INBOUND_REFRESH;
    nat.apply();
    nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP); // last used at time 0
    nat.from_world(error_about(quoted(PROTOCOL_UDP, EXTERNAL, REMOTE), 8, ROUTER, EXTERNAL));
    nat.from_guest(error_about(quoted(PROTOCOL_UDP, REMOTE, GUEST), 8, GUEST, REMOTE));
    CHECK(nat.counted(NAT_ICMP_ERROR_IN) == 1);
    const NatTable<nat_endpoint, nat_binding> bindings(nat.object().map("bindings"));
    const NatTable<nat_endpoint, nat_owner> owners(nat.object().map("owners"));
    const auto binding = bindings.find(to_map(GUEST, PROTOCOL_UDP));
    const auto owner = owners.find(to_map(EXTERNAL, PROTOCOL_UDP));
    REQUIRE(binding);
    REQUIRE(owner);
    CHECK(binding->last_out == 0);
    CHECK(owner->last_in == 0);
  }
}
