// Open mappings, byte for byte: stateless, for whoever is outside.

#include "flow/map_edit.hh"
#include "mapped_bed.hh"
#include "wire/udp.hh"

#include <doctest/doctest.h>
#include <functional>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

constexpr std::uint8_t OTHER_ZONE = 2;
constexpr std::uint8_t NEIGHBOR_SOLICITATION = 135;
constexpr std::uint8_t TOO_BIG = 2;
constexpr std::uint8_t TIME_EXCEEDED = 3;
constexpr std::size_t QUOTED_UDP = IPV6_HEADER_BYTES + UDP_HEADER_BYTES;

const Endpoint OPEN_GUESTS[] = {at("[fd00:5::5]:5000"), at("[fd00:6::5]:5000")};
const Endpoint& GUEST = OPEN_GUESTS[0];
const Endpoint OUTSIDE = at("[2001:db8:5::5]:5000");
const Endpoint ROUTER = at("[2001:db8:77::1]:0");

void open(MappedBed& bed)
{
  bed.map("add eth0 fd00:5::/64 2001:db8:5::/64 open\n"
          "add eth0 fd00:6::/64 2001:db8:6::/64 neutral open\n");
}

/// For both hooks.
void for_each_bed(const std::function<void(MappedBed&)>& test)
{
  for (const NatHook hook : BOTH_HOOKS) {
    CAPTURE(static_cast<int>(hook));
    MappedBed bed(hook);
    open(bed);
    test(bed);
  }
}

void close(MappedBed& bed, const char* prefix)
{
  const Prefix closed = Prefix::parse(prefix).value();
  nat_route6_key key{};
  key.prefix_length = closed.length_bits();
  std::ranges::copy(closed.network().bytes(), std::begin(key.address));
  NatTable<nat_route6_key, nat_route>(bed.nat.object().map("routes6")).put(key, {});
}

Packet with_destination(Packet packet, const Endpoint& destination)
{
  packet.destination = destination;
  return packet;
}

Bytes cut(Bytes packet, std::size_t length)
{
  packet.resize(length);
  return packet;
}

Packet with_data(Packet packet, std::size_t bytes)
{
  packet.data = Bytes(bytes, 's');
  return packet;
}

/// What a router on the way says to whoever sent that, in the name of its destination.
Bytes answer_to(const Packet& sent, std::uint8_t type, std::uint16_t mtu = 0)
{
  Packet answer = unreachable(sent.destination, sent.source, cut(build_v6(sent), QUOTED_UDP));
  answer.icmp_type = type;
  answer.icmp_code = 0;
  answer.icmp_mtu = mtu;
  return build_v6(answer);
}

} // namespace

TEST_CASE("by an open mapping strangers come in, and what the guest says leaves, without any state")
{
  for_each_bed([](MappedBed& bed) {
    for (const Endpoint& guest : OPEN_GUESTS) {
      for (const std::uint8_t protocol : MAPPED_PROTOCOLS) {
        CAPTURE(guest.to_string());
        CAPTURE(protocol);
        const Packet asked = request(MAPPED_REMOTE, protocol, bed.external_of(guest));
        const Packet inside = with_destination(asked, guest);
        CHECK(bed.from_world(build_v6(asked)) == Fate::guest);
        CHECK(bed.seen == frame(TO_GUEST, build_v6(one_hop_on(inside))));
        CHECK(bed.from_guest(build_v6(reply_to(inside))) == Fate::world);
        CHECK(bed.seen == frame(TO_WORLD, build_v6(one_hop_on(reply_to(asked)))));
        const Packet own = request(guest, protocol);
        CHECK(bed.from_guest(build_v6(own)) == Fate::world);
        CHECK(bed.seen == frame(TO_WORLD, build_v6(one_hop_on(outside(bed, own)))));
      }
    }
    CHECK(bed.nat.counted(NAT_PREFIX_IN) == 6);
    CHECK(bed.nat.counted(NAT_PREFIX_OUT) == 12);
    CHECK(bed.nat.entries("mapped", sizeof(nat_mapped_key)) == 0);
    CHECK(bed.nat.entries("stations", sizeof(nat_station_key)) == 0);
  });
}

TEST_CASE("of an open mapping later fragments pass too, in any order")
{
  for_each_bed([](MappedBed& bed) {
    const Packet sent = with_data(request(GUEST, PROTOCOL_UDP), 400);
    CHECK(bed.from_guest(fragment_v6(sent, 200, 208, false)) == Fate::world);
    Bytes seen = fragment_v6(outside(bed, sent), 200, 208, false);
    --seen[7];
    CHECK(bed.seen == frame(TO_WORLD, seen));
    const Packet asked = with_data(request(MAPPED_REMOTE, PROTOCOL_UDP, OUTSIDE), 400);
    CHECK(bed.from_world(fragment_v6(asked, 200, 208, false)) == Fate::guest);
  });
}

TEST_CASE("what is not outside stays with slirpstack, and from there nobody comes in")
{
  for_each_bed([](MappedBed& bed) {
    close(bed, "2001:db8:77::/64");
    for (const std::uint8_t protocol : MAPPED_PROTOCOLS) {
      CAPTURE(protocol);
      CHECK(bed.from_guest(build_v6(request(GUEST, protocol, ROUTER))) == Fate::slirpstack);
      CHECK(bed.from_world(build_v6(request(ROUTER, protocol, OUTSIDE))) == Fate::host);
    }
    // But for what a router there says of the guest's packets.
    const Bytes quoted = build_v6(outside(bed, request(GUEST, PROTOCOL_UDP)));
    CHECK(bed.from_world(build_v6(unreachable(ROUTER, OUTSIDE, quoted))) == Fate::guest);
    CHECK(bed.nat.counted(NAT_PREFIX_IN) == 1);
    CHECK(bed.nat.counted(NAT_PREFIX_OUT) == 0);
  });
}

TEST_CASE("no way, and no counterpart, are slirpstack's to answer")
{
  for_each_bed([](MappedBed& bed) {
    bed.map("add eth0 fd01:203:405::/48 2001:db8:1::/48 neutral open\n");
    const Packet unmappable = request(at("[fd01:203:405:ffff::1]:1"), PROTOCOL_UDP);
    CHECK(bed.from_guest(build_v6(unmappable)) == Fate::slirpstack);
    NatTable<nat_route6_key, nat_route>(bed.nat.object().map("routes6")).clear();
    CHECK(bed.from_guest(build_v6(request(GUEST, PROTOCOL_UDP))) == Fate::slirpstack);
    CHECK(bed.from_world(build_v6(request(ROUTER, PROTOCOL_UDP, OUTSIDE))) == Fate::host);
  });
}

TEST_CASE("a way whose neighbour is not known yet takes nothing to slirpstack")
{
  for_each_bed([](MappedBed& bed) {
    bed.nat.route(Prefix::parse("::/0").value(), 1500, NAT_ROUTE_UNRESOLVED);
    CHECK(bed.from_guest(build_v6(request(GUEST, PROTOCOL_TCP))) == Fate::dropped);
    CHECK(bed.nat.counted(NAT_DROP_NO_ROUTE) == 1);
  });
}

TEST_CASE("neighbour discovery about an open mapping's addresses is the host's")
{
  for_each_bed([](MappedBed& bed) {
    const Bytes solicitation
      = build_v6(MAPPED_REMOTE, OUTSIDE, NEIGHBOR_SOLICITATION, Bytes(16), 255);
    CHECK(bed.from_world(solicitation) == Fate::host);
    CHECK(bed.from_guest(build_v6(GUEST, MAPPED_REMOTE, NEIGHBOR_SOLICITATION, Bytes(16), 255))
          == Fate::slirpstack);
  });
}

TEST_CASE("RFC 6296 section 4.3: guests with the same addresses reach each other by open mappings")
{
  for_each_bed([](MappedBed& bed) {
    PrefixMap other(HashSecret{1, 2});
    other.allow_open();
    apply_edits(other, parse_map_batch("add eth0 fd00:5::/64 2001:db8:7::/64 open\n"));
    REQUIRE(bed.prefixes.set(guest_of(OTHER_ZONE, OTHER_GUEST_MAC), other));
    const Endpoint peer = at("[2001:db8:7::9]:53");
    const Endpoint peer_inside = at("[fd00:5::9]:53");
    for (const std::uint8_t protocol : MAPPED_PROTOCOLS) {
      CAPTURE(protocol);
      const Packet sent = request(GUEST, protocol, peer);
      bed.from_guest(build_v6(sent));
      const Packet seen = with_destination(outside(bed, sent), peer_inside);
      CHECK(bed.seen == frame(TO_OTHER_GUEST, build_v6(one_hop_on(seen))));
    }
    // An error quotes what the guest has got; the peer sees what it has sent.
    const auto quote = [](const Endpoint& from, const Endpoint& to) {
      return cut(build_v6(between(from, to)), IPV6_HEADER_BYTES + 6); // without the checksum
    };
    bed.from_guest(build_v6(unreachable(GUEST, peer, quote(peer, GUEST))));
    const Packet seen = unreachable(OUTSIDE, peer_inside, quote(peer_inside, OUTSIDE));
    CHECK(bed.seen == frame(TO_OTHER_GUEST, build_v6(one_hop_on(seen))));
  });
}

TEST_CASE("a prefix that is not open takes no hairpin")
{
  for_each_bed([](MappedBed& bed) {
    CHECK(bed.from_guest(build_v6(request(GUEST, PROTOCOL_UDP, at("[2001:db8:1::5]:53"))))
          == Fate::world);
  });
}

TEST_CASE("who sends more than the way takes is told so")
{
  for_each_bed([](MappedBed& bed) {
    bed.nat.route(Prefix::parse("::/0").value(), 1300);
    const Packet fits = with_data(request(GUEST, PROTOCOL_UDP), 1300 - QUOTED_UDP);
    CHECK(bed.from_guest(build_v6(fits)) == Fate::world);
    const Packet large = with_data(fits, 1301 - QUOTED_UDP);
    CHECK(bed.from_guest(build_v6(large)) == Fate::guest);
    CHECK(bed.seen == frame(TO_GUEST, answer_to(large, TOO_BIG, 1300)));
    const Packet asked = with_data(request(MAPPED_REMOTE, PROTOCOL_UDP, OUTSIDE), 1453);
    CHECK(bed.from_world(build_v6(asked)) == Fate::world);
    CHECK(bed.seen == frame(TO_WORLD, answer_to(asked, TOO_BIG, 1500)));
    CHECK(bed.nat.counted(NAT_DROP_TOO_BIG) == 2);
    CHECK(bed.nat.counted(NAT_ANSWERED) == 2);
  });
}

TEST_CASE("RFC 4443 section 2.4: no error is answered with one")
{
  for_each_bed([](MappedBed& bed) {
    bed.nat.route(Prefix::parse("::/0").value(), 100);
    const Bytes quoted = build_v6(with_data(between(MAPPED_REMOTE, GUEST), 100));
    CHECK(bed.from_guest(build_v6(unreachable(GUEST, MAPPED_REMOTE, quoted))) == Fate::dropped);
    CHECK(bed.nat.counted(NAT_DROP_TOO_BIG) == 1);
    CHECK(bed.nat.counted(NAT_ANSWERED) == 0);
  });
}

TEST_CASE("a packet from outside at its last hop is answered, and goes no further")
{
  for_each_bed([](MappedBed& bed) {
    Packet asked = request(MAPPED_REMOTE, PROTOCOL_UDP, OUTSIDE);
    asked.hop_limit = 1;
    CHECK(bed.from_world(build_v6(asked)) == Fate::world);
    CHECK(bed.seen == frame(TO_WORLD, answer_to(asked, TIME_EXCEEDED)));
    CHECK(bed.nat.counted(NAT_DROP_HOP_LIMIT) == 1);
  });
}

TEST_CASE("what comes in by an open mapping goes to where that address has last sent from")
{
  for_each_bed([](MappedBed& bed) {
    const Bytes sent = build_v6(request(GUEST, PROTOCOL_UDP));
    const auto arrives_at = [&](const Frame& around, const Endpoint& inside) {
      const Packet asked = request(MAPPED_REMOTE, PROTOCOL_UDP, bed.external_of(inside));
      bed.from_world(build_v6(asked));
      return bed.seen == frame(around, build_v6(one_hop_on(with_destination(asked, inside))));
    };
    CHECK(arrives_at(TO_GUEST, GUEST));
    bed.run("nat_internal", frame({GATEWAY_MAC, OTHER_GUEST_MAC, {}}, sent));
    CHECK(arrives_at(TO_OTHER_GUEST, GUEST));
    CHECK(arrives_at(TO_GUEST, at("[fd00:5::6]:5000")));
    bed.from_guest(sent);
    CHECK(arrives_at(TO_GUEST, GUEST));
  });
}

TEST_CASE("what states more than there is of it is dropped")
{
  for_each_bed([](MappedBed& bed) {
    const Bytes whole = build_v6(request(GUEST, PROTOCOL_UDP));
    CHECK(bed.from_guest(cut(whole, whole.size() - 1)) == Fate::dropped);
    const Bytes asked = build_v6(request(MAPPED_REMOTE, PROTOCOL_UDP, OUTSIDE));
    CHECK(bed.from_world(cut(asked, asked.size() - 1)) == Fate::dropped);
    CHECK(bed.nat.counted(NAT_DROP_MALFORMED) == 2);
  });
}
