// What may be cut on its way: its identification outside.

#include "nat_bed.hh"

#include <doctest/doctest.h>
#include <set>
#include <utility>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

const Endpoint FIRST = at("10.0.0.2:5000");
const Endpoint SECOND = at("10.0.0.3:5000");
const Endpoint REMOTE = at("198.51.100.9:53");
const Endpoint OUTSIDE = at("203.0.113.1:40000");
const Endpoint OUTSIDE_TOO = at("203.0.113.1:40001");
const std::pair<Endpoint, Endpoint> GUESTS[] = {{FIRST, OUTSIDE}, {SECOND, OUTSIDE_TOO}};
constexpr std::size_t PIECE = 24;

void begin(NatBed& nat)
{
  nat.settings.flags |= NAT_RENUMBER;
  nat.apply();
  nat.bind(FIRST, OUTSIDE, PROTOCOL_UDP);
  nat.bind(SECOND, OUTSIDE_TOO, PROTOCOL_UDP, 0, OTHER_GUEST_MAC);
}

Packet datagram(const Endpoint& source)
{
  Packet packet = between(source, REMOTE);
  packet.data.assign(40, 'x');
  return packet;
}

std::uint16_t identification_of(const Outcome& outcome)
{
  REQUIRE(outcome.verdict == Verdict::redirect);
  return static_cast<std::uint16_t>(outcome.frame.at(18) << 8U | outcome.frame.at(19));
}

Outcome sends(NatBed& nat, const Bytes& packet)
{
  return nat.run("nat_internal", frame(FROM_GUEST, packet));
}

} // namespace

TEST_CASE("packets that may be cut leave under identifications that no guest can foresee")
{
  FOR_BOTH_HOOKS(nat)
  {
    begin(nat);
    std::set<std::uint16_t> seen;
    for (int i = 0; i < 100; ++i) { // the guests themselves have one for all
      for (const auto& [guest, outside] : GUESTS) {
        const Outcome left = sends(nat, build(datagram(guest)));
        Packet expected = one_hop_on(datagram(outside));
        expected.identification = identification_of(left);
        CHECK(left.frame == frame(TO_WORLD, build(expected))); // checksums too
        seen.insert(expected.identification);
      }
    }
    CHECK(seen.size() > 190); // of 200: at random, a few may be equal
  }
}

TEST_CASE("fragments of one datagram keep together, and those of two guests apart")
{
  FOR_BOTH_HOOKS(nat)
  {
    begin(nat);
    const Bytes one = build(datagram(FIRST));
    const Bytes other = build(datagram(SECOND));
    const std::uint16_t first = identification_of(sends(nat, fragment(one, 0, PIECE, true)));
    const std::uint16_t second = identification_of(sends(nat, fragment(other, 0, PIECE, true)));
    CHECK(first != second);
    for (int i = 0; i < 2; ++i) { // the last one twice
      const Outcome left = sends(nat, fragment(one, PIECE, PIECE, false));
      Packet expected = one_hop_on(datagram(OUTSIDE));
      expected.identification = first;
      CHECK(left.frame == frame(TO_WORLD, fragment(build(expected), PIECE, PIECE, false)));
    }
    CHECK(identification_of(sends(nat, fragment(other, PIECE, PIECE, false))) == second);
    // A datagram with the same identification, later.
    CHECK(identification_of(sends(nat, fragment(one, 0, PIECE, true))) != first);
  }
}

TEST_CASE("what cannot be cut keeps its identification, and so does what comes in")
{
  FOR_BOTH_HOOKS(nat)
  {
    begin(nat);
    Packet whole = datagram(FIRST);
    whole.dont_fragment = true;
    CHECK(identification_of(sends(nat, build(whole))) == whole.identification);
    CHECK(identification_of(nat.from_world(between(REMOTE, OUTSIDE))) == Packet().identification);
  }
}

TEST_CASE("between guests, and in their ICMP errors, identifications are the NAT's too")
{
  FOR_BOTH_HOOKS(nat)
  {
    begin(nat);
    Packet hairpin = between(FIRST, OUTSIDE_TOO);
    Packet error = between({FIRST.address, 0}, {REMOTE.address, 0}, PROTOCOL_ICMP);
    error.icmp_type = 3;
    error.icmp_code = 3;
    error.icmp_quote = build(between(REMOTE, FIRST));
    std::set<std::uint16_t> seen;
    for (int i = 0; i < 10; ++i) {
      seen.insert(identification_of(nat.from_guest(hairpin)));
    }
    CHECK(seen.size() > 7);
    seen.clear();
    for (int i = 0; i < 10; ++i) {
      seen.insert(identification_of(nat.from_guest(error)));
    }
    CHECK(seen.size() > 7);
  }
}

TEST_CASE("fragments of a first one that went nowhere go nowhere")
{
  FOR_BOTH_HOOKS(nat)
  {
    begin(nat);
    Packet dying = datagram(FIRST);
    dying.hop_limit = 1;
    sends(nat, fragment(build(dying), 0, PIECE, true));
    const Outcome later = sends(nat, fragment(build(datagram(FIRST)), PIECE, PIECE, false));
    CHECK(later.verdict == Verdict::drop);
  }
}
