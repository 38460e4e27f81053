// Mapped IPv6 flows in the kernel, byte for byte.

#include "mapped_bed.hh"
#include "wire/udp.hh"

#include <doctest/doctest.h>
#include <functional>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

const Endpoint OTHER_REMOTE = at("[2001:db8:99::54]:53");
const Endpoint ROUTER = at("[2001:db8:77::1]:0");

/// For both hooks, of each protocol, by either mapping: a bed and what the guest sends there.
void for_each_flow(const std::function<void(MappedBed&, const Packet&)>& test)
{
  for (const NatHook hook : BOTH_HOOKS) {
    for (const Endpoint& guest : MAPPED_GUESTS) {
      for (const std::uint8_t protocol : MAPPED_PROTOCOLS) {
        CAPTURE(static_cast<int>(hook));
        CAPTURE(guest.to_string());
        CAPTURE(protocol);
        MappedBed bed(hook);
        test(bed, request(guest, protocol));
      }
    }
  }
}

Packet with_ports(Packet packet, std::uint16_t source, std::uint16_t destination)
{
  packet.source.port = source;
  packet.destination.port = destination;
  return packet;
}

} // namespace

TEST_CASE("a mapped flow that policy has allowed passes, out and in")
{
  for_each_flow([](MappedBed& bed, const Packet& sent) {
    bed.carry(sent);
    CHECK(bed.from_guest(build_v6(sent)) == Fate::world);
    CHECK(bed.seen == frame(TO_WORLD, build_v6(one_hop_on(outside(bed, sent)))));
    CHECK(bed.nat.counted(NAT_PREFIX_OUT) == 1);
    CHECK(bed.from_world(build_v6(reply_to(outside(bed, sent)))) == Fate::guest);
    CHECK(bed.seen == frame(TO_GUEST, build_v6(one_hop_on(reply_to(sent)))));
    CHECK(bed.nat.counted(NAT_PREFIX_IN) == 1);
  });
}

TEST_CASE("what comes in of a mapped flow goes to where the guest last sent from")
{
  for_each_flow([](MappedBed& bed, const Packet& sent) {
    bed.carry(sent);
    CHECK(bed.run("nat_internal", frame({GATEWAY_MAC, OTHER_GUEST_MAC, {}}, build_v6(sent)))
          == Fate::world);
    bed.from_world(build_v6(reply_to(outside(bed, sent))));
    CHECK(bed.seen == frame(TO_OTHER_GUEST, build_v6(one_hop_on(reply_to(sent)))));
  });
}

TEST_CASE("of a mapped super-segment each segment has to fit the way")
{
  for (const std::uint8_t protocol : {PROTOCOL_TCP, PROTOCOL_UDP}) {
    CAPTURE(protocol);
    MappedBed bed(NatHook::tc);
    Packet packet = request(MAPPED_GUESTS[0], protocol);
    bed.carry(packet);
    packet.tcp_flags = TCP_FLAG_ACK;
    const Bytes super = frame(FROM_GUEST, build_v6(packet));
    const std::uint32_t headers
      = IPV6_HEADER_BYTES + (protocol == PROTOCOL_TCP ? TCP_HEADER_BYTES : UDP_HEADER_BYTES);
    bed.nat.run_super("nat_internal", super, 1500 - headers);
    CHECK(bed.nat.counted(NAT_PREFIX_OUT) == 1);
    CHECK(bed.nat.run_super("nat_internal", super, 1501 - headers).frame == super);
    CHECK(bed.nat.counted(NAT_PREFIX_OUT) == 1);
    CHECK(bed.nat.counted(NAT_TO_SLIRPSTACK) == 1);
  }
}

TEST_CASE("extension headers are passed over")
{
  const std::vector<Extension> some = {{PROTOCOL_HOP_BY_HOP}, {}, {PROTOCOL_ROUTING}};
  for_each_flow([&](MappedBed& bed, const Packet& sent) {
    bed.carry(sent);
    CHECK(bed.from_guest(build_v6(sent, some)) == Fate::world);
    CHECK(bed.seen == frame(TO_WORLD, build_v6(one_hop_on(outside(bed, sent)), some)));
    CHECK(bed.from_world(build_v6(reply_to(outside(bed, sent)), some)) == Fate::guest);
    CHECK(bed.seen == frame(TO_GUEST, build_v6(one_hop_on(reply_to(sent)), some)));
  });
}

TEST_CASE("a mapped flow that nobody has allowed goes unchanged to slirpstack")
{
  for_each_flow([](MappedBed& bed, const Packet& sent) {
    CHECK(bed.from_guest(build_v6(sent)) == Fate::slirpstack);
    bed.carry(sent);
    Packet elsewhere = sent;
    elsewhere.destination = OTHER_REMOTE;
    CHECK(bed.from_guest(build_v6(elsewhere)) == Fate::slirpstack);
    CHECK(bed.from_guest(build_v6(with_ports(sent, 5001, 53))) == Fate::slirpstack);
    Packet neighbour = sent;
    neighbour.source.address = IpAddress::parse("fd00:1::6").value();
    CHECK(bed.from_guest(build_v6(neighbour)) == Fate::slirpstack);
    CHECK(bed.nat.counted(NAT_TO_SLIRPSTACK) == 4);
    if (sent.protocol != PROTOCOL_ICMPV6) { // whose remote has no port
      CHECK(bed.from_guest(build_v6(with_ports(sent, 5000, 54))) == Fate::slirpstack);
    }
    bed.nat.set_tap(2); // the same addresses, of somebody else
    CHECK(bed.from_guest(build_v6(sent)) != Fate::world);
  });
}

TEST_CASE("two prefixes that are one outside do not share what policy has allowed")
{
  for (const NatHook hook : BOTH_HOOKS) {
    MappedBed bed(hook);
    bed.map("add eth1 fd00:3::/64 2001:db8:1::/64\n");
    bed.carry(request(MAPPED_GUESTS[0], PROTOCOL_UDP));
    const Packet other = request(at("[fd00:3::5]:5000"), PROTOCOL_UDP);
    REQUIRE(bed.external_of(other.source) == bed.external_of(MAPPED_GUESTS[0]));
    CHECK(bed.from_guest(build_v6(other)) == Fate::slirpstack);
  }
}

TEST_CASE("from another remote, or for another port, a packet is the host's, unchanged")
{
  for_each_flow([](MappedBed& bed, const Packet& sent) {
    const Packet answer = reply_to(outside(bed, sent));
    CHECK(bed.from_world(build_v6(answer)) == Fate::host);
    bed.carry(sent);
    Packet stranger = answer;
    stranger.source.address = OTHER_REMOTE.address;
    CHECK(bed.from_world(build_v6(stranger)) == Fate::host);
    Packet to_other_port = answer;
    to_other_port.destination.port = 5001;
    to_other_port.source.port = sent.protocol == PROTOCOL_ICMPV6 ? 5001 : answer.source.port;
    CHECK(bed.from_world(build_v6(to_other_port)) == Fate::host);
    Packet asks = answer;
    asks.icmp_type = ECHO_REQUEST_V6;
    asks.source.port = sent.protocol == PROTOCOL_ICMPV6 ? 5000 : 54;
    CHECK(bed.from_world(build_v6(asks)) == Fate::host);
    CHECK(bed.nat.counted(NAT_TO_HOST) == 4);
  });
}

TEST_CASE("an error comes in about the packet as the guest sent it")
{
  for_each_flow([](MappedBed& bed, const Packet& sent) {
    // The quoted transport checksum is that of the world's addresses still: nobody verifies it.
    const Packet seen_outside = outside(bed, sent);
    const Bytes quote = build_v6(seen_outside);
    Bytes restored = quote;
    std::ranges::copy(sent.source.address.bytes(), restored.begin() + 8);
    const Bytes error = build_v6(unreachable(ROUTER, seen_outside.source, quote));
    CHECK(bed.from_world(error) == Fate::host); // about nobody's
    bed.carry(sent);
    CHECK(bed.from_world(error) == Fate::guest);
    CHECK(bed.seen
          == frame(TO_GUEST, build_v6(one_hop_on(unreachable(ROUTER, sent.source, restored)))));
    const Packet others = with_ports(seen_outside, 5001, 53);
    CHECK(bed.from_world(build_v6(unreachable(ROUTER, others.source, build_v6(others))))
          == Fate::host);
    // To one address about another's packet.
    CHECK(bed.from_world(build_v6(unreachable(ROUTER, at("[2001:db8:1::9]:0"), quote)))
          == Fate::host);
  });
}

TEST_CASE("a guest's error leaves about the packet as its sender sent it, and to nobody else")
{
  for_each_flow([](MappedBed& bed, const Packet& sent) {
    const Packet answer = reply_to(sent);
    const Bytes quote = build_v6(answer);
    Bytes restored = quote;
    const Endpoint external = bed.external_of(sent.source);
    std::ranges::copy(external.address.bytes(), restored.begin() + 24);
    const Bytes error = build_v6(unreachable(sent.source, answer.source, quote));
    CHECK(bed.from_guest(error) == Fate::slirpstack);
    bed.carry(sent);
    CHECK(bed.from_guest(error) == Fate::world);
    CHECK(bed.seen
          == frame(TO_WORLD, build_v6(one_hop_on(unreachable(external, answer.source, restored)))));
    CHECK(bed.from_guest(build_v6(unreachable(sent.source, OTHER_REMOTE, quote)))
          == Fate::slirpstack);
  });
}

TEST_CASE("what slirpstack gives back passes, all else that comes by the tap is for the guest")
{
  for_each_flow([](MappedBed& bed, const Packet& sent) {
    // What nobody has changed looks the same, whomever it goes to: the tap never hands it on twice.
    CHECK(bed.from_tap(build_v6(sent)) == Fate::slirpstack);
    CHECK(bed.nat.counted(NAT_TO_SLIRPSTACK) == 0);
    bed.carry(sent);
    CHECK(bed.from_tap(build_v6(sent)) == Fate::world);
    CHECK(bed.seen == frame(TO_WORLD, build_v6(one_hop_on(outside(bed, sent)))));
    CHECK(bed.from_tap(build_v6(reply_to(sent))) == Fate::slirpstack);
    CHECK(bed.nat.counted(NAT_TO_SLIRPSTACK) == 0);
  });
}
