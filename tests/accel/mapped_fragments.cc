// Fragments of mapped IPv6 flows, in every order.

#include "mapped_bed.hh"

#include <doctest/doctest.h>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

constexpr std::size_t PIECE = 24;

Packet datagram(std::uint16_t identification = 7)
{
  Packet packet = request(MAPPED_GUESTS[0], PROTOCOL_UDP);
  packet.data.assign(40, 'x');
  packet.identification = identification;
  return packet;
}

Bytes first(const Packet& whole)
{
  return fragment_v6(whole, 0, PIECE, true);
}

Bytes later(const Packet& whole)
{
  return fragment_v6(whole, PIECE, PIECE, false);
}

} // namespace

TEST_CASE("later fragments of a mapped flow follow the first, both ways, as often as they come")
{
  for (const NatHook hook : BOTH_HOOKS) {
    MappedBed bed(hook);
    const Packet sent = datagram();
    const Packet passed = one_hop_on(outside(bed, sent));
    bed.carry(sent);
    for (const auto& [in, out] : {std::pair{first(sent), first(passed)},
                                  {later(sent), later(passed)},
                                  {first(sent), first(passed)},
                                  {later(sent), later(passed)}}) {
      CHECK(bed.from_guest(in) == Fate::world);
      CHECK(bed.seen == frame(TO_WORLD, out));
    }
    const Packet answer = reply_to(outside(bed, sent));
    const Packet answered = one_hop_on(reply_to(sent));
    CHECK(bed.from_world(later(answer)) == Fate::host);
    CHECK(bed.from_world(first(answer)) == Fate::guest);
    CHECK(bed.seen == frame(TO_GUEST, first(answered)));
    CHECK(bed.from_world(later(answer)) == Fate::guest);
    CHECK(bed.seen == frame(TO_GUEST, later(answered)));
  }
}

TEST_CASE("a fragment before the first goes to slirpstack, and passes when it is given back")
{
  for (const NatHook hook : BOTH_HOOKS) {
    MappedBed bed(hook);
    const Packet sent = datagram();
    bed.carry(sent);
    CHECK(bed.from_guest(later(sent)) == Fate::slirpstack);
    CHECK(bed.from_guest(first(sent)) == Fate::world);
    CHECK(bed.from_tap(later(sent)) == Fate::world);
    CHECK(bed.seen == frame(TO_WORLD, later(one_hop_on(outside(bed, sent)))));
  }
}

TEST_CASE("a first fragment of what is not allowed lets no later one pass")
{
  for (const NatHook hook : BOTH_HOOKS) {
    MappedBed bed(hook);
    const Packet sent = datagram();
    CHECK(bed.from_guest(first(sent)) == Fate::slirpstack);
    bed.carry(sent);
    CHECK(bed.from_guest(later(sent)) == Fate::slirpstack);
    Packet forbidden = sent;
    forbidden.destination.port = 54;
    CHECK(bed.from_guest(first(forbidden)) == Fate::slirpstack);
    CHECK(bed.from_guest(later(forbidden)) == Fate::slirpstack);
    CHECK(bed.nat.entries("mapped_pieces", sizeof(nat_mapped_piece_key)) == 0);
  }
}

TEST_CASE("later fragments stop when their flow ends")
{
  for (const NatHook hook : BOTH_HOOKS) {
    MappedBed bed(hook);
    const Packet sent = datagram();
    bed.carry(sent);
    CHECK(bed.from_guest(first(sent)) == Fate::world);
    bed.flows.erase(mapped_key(SlowPath::flow_of(sent), bed.external_of(sent.source).address));
    CHECK(bed.from_guest(later(sent)) == Fate::slirpstack);
  }
}

TEST_CASE("two guests' fragments are told apart though all that names them is equal")
{
  for (const NatHook hook : BOTH_HOOKS) {
    MappedBed bed(hook);
    const Packet sent = datagram();
    bed.carry(sent);
    REQUIRE(bed.prefixes.set(guest_of(2), bed.mappings));
    CHECK(bed.from_guest(first(sent)) == Fate::world);
    bed.nat.set_tap(2);
    CHECK(bed.from_guest(first(sent)) == Fate::slirpstack);
    CHECK(bed.from_guest(later(sent)) == Fate::slirpstack);
    bed.nat.set_tap(MappedBed::ZONE);
    CHECK(bed.from_guest(later(sent)) == Fate::world);
  }
}

TEST_CASE("datagrams that are never finished cost those before them, and nothing else")
{
  constexpr std::uint16_t DATAGRAMS = 20'000;
  constexpr std::size_t ROOM = 8192;
  for (const NatHook hook : BOTH_HOOKS) {
    MappedBed bed(hook);
    bed.carry(datagram());
    for (std::uint16_t i = 0; i < DATAGRAMS; ++i) {
      REQUIRE(bed.from_guest(first(datagram(i))) == Fate::world);
    }
    CHECK(bed.nat.entries("mapped_pieces", sizeof(nat_mapped_piece_key)) <= ROOM);
    CHECK(bed.from_guest(later(datagram(0))) == Fate::slirpstack);
    CHECK(bed.from_guest(later(datagram(DATAGRAMS - 1))) == Fate::world);
    CHECK(bed.from_guest(build_v6(datagram())) == Fate::world);
  }
}

TEST_CASE("a fragment cannot lie over the ports that policy was asked about")
{
  for (const NatHook hook : BOTH_HOOKS) {
    MappedBed bed(hook);
    const Packet sent = datagram();
    bed.carry(sent);
    // The first fragment ends where its option header does; allowed ports stand behind its end.
    Bytes hidden = build_v6(sent, {fragment_header(sent, 0, true), Extension{}});
    hidden[4] = 0;
    hidden[5] = IPV6_FRAGMENT_HEADER_BYTES + 8;
    CHECK(bed.from_guest(hidden) == Fate::slirpstack);
    // They stand where a fragment from the eighth byte on would lie.
    CHECK(bed.from_guest(build_v6(sent, {fragment_header(sent, 0, true), Extension{}}))
          == Fate::slirpstack);
    CHECK(bed.from_guest(fragment_v6(sent, 8, PIECE, false)) == Fate::slirpstack);
  }
}
