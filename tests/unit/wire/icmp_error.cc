#include "wire/icmp_error.hh"

#include "sample.hh"
#include "vectors.hh"
#include "wire/transport_checksum.hh"

using namespace slirpstack;
using namespace sample;

namespace {

const char* const GATEWAY4 = "10.0.2.2";
const char* const GATEWAY6 = "fd00::2";

/// A UDP packet with that much data.
Bytes large_packet(Family family, std::size_t data_bytes)
{
  const bool is_ipv4 = family == Family::ipv4;
  IpHeader header;
  header.source = address(is_ipv4 ? "192.0.2.100" : "2001:db8::100");
  header.destination = address(is_ipv4 ? "198.51.100.7" : "2001:db8:1::7");
  header.protocol = PROTOCOL_UDP;
  header.total_length_bytes = static_cast<std::uint32_t>((is_ipv4 ? 20 : 40) + data_bytes);
  Bytes packet(header.total_length_bytes, 0x5a);
  Writer writer(packet);
  write_ip_header(writer, header);
  return packet;
}

/// The ICMP message in an error of ours, after the checks that hold for every one.
Bytes checked_message(const SmallPacket& packet, std::string_view source, std::string_view to)
{
  const auto ip = IpHeader::parse(packet.bytes());
  REQUIRE(ip);
  CHECK(ip->source == address(source));
  CHECK(ip->destination == address(to));
  CHECK(ip->protocol == (ip->family() == Family::ipv4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6));
  CHECK(ip->total_length_bytes == packet.bytes().size());
  const Bytes message = copy(ip->payload(packet.bytes()));
  CHECK(verify_transport_checksum(*ip, message));
  return message;
}

Bytes quote_of(const Bytes& message)
{
  return Bytes(message.begin() + ICMP_HEADER_BYTES, message.end());
}

bool may_answer(const Bytes& packet)
{
  return may_answer_with_icmp_error(*IpHeader::parse(packet, HeaderChecksum::trusted), packet);
}

Bytes ipv4_with(std::size_t at, std::string_view bytes)
{
  Bytes packet = hex(vectors::IPV4_UDP);
  std::ranges::copy(hex(bytes), packet.begin() + static_cast<std::ptrdiff_t>(at));
  return packet;
}

} // namespace

TEST_CASE("each kind of error has the types and codes of RFC 792 and RFC 4443")
{
  struct Case
  {
    IcmpErrorKind kind;
    IcmpTypeCode ipv4;
    IcmpTypeCode ipv6;
  };
  const Case cases[] = {
    {IcmpErrorKind::net_unreachable, {3, 0}, {1, 0}},
    {IcmpErrorKind::host_unreachable, {3, 1}, {1, 3}},
    {IcmpErrorKind::protocol_unreachable, {3, 2}, {4, 1}},
    {IcmpErrorKind::port_unreachable, {3, 3}, {1, 4}},
    {IcmpErrorKind::fragmentation_needed, {3, 4}, {2, 0}},
    {IcmpErrorKind::administratively_prohibited, {3, 13}, {1, 1}},
    {IcmpErrorKind::time_exceeded, {11, 0}, {3, 0}},
    {IcmpErrorKind::reassembly_time_exceeded, {11, 1}, {3, 1}},
  };
  for (const Case& each : cases) {
    CAPTURE(each.ipv4.code);
    CHECK(icmp_type_code(Family::ipv4, each.kind) == each.ipv4);
    CHECK(icmp_type_code(Family::ipv6, each.kind) == each.ipv6);
    CHECK(icmp_error_kind(Family::ipv4, each.ipv4) == each.kind);
    CHECK(icmp_error_kind(Family::ipv6, each.ipv6) == each.kind);
  }
  CHECK(icmp_error_kind(Family::ipv4, {3, 10}) == IcmpErrorKind::administratively_prohibited);
  CHECK(icmp_error_kind(Family::ipv6, {1, 6}) == IcmpErrorKind::administratively_prohibited);
  CHECK_FALSE(icmp_error_kind(Family::ipv4, {8, 0}));
  CHECK_FALSE(icmp_error_kind(Family::ipv4, {5, 1}));
  CHECK_FALSE(icmp_error_kind(Family::ipv6, {4, 0}));
}

TEST_CASE("an IPv4 error quotes the packet whole and says the MTU")
{
  const Bytes original = hex(vectors::IPV4_UDP);
  const SmallPacket packet
    = icmp_error(IcmpErrorKind::fragmentation_needed, 1400, address(GATEWAY4), original);
  const Bytes message = checked_message(packet, GATEWAY4, "192.0.2.100");
  CHECK(message[0] == 3);
  CHECK(message[1] == 4);
  CHECK(Reader(ByteView(message).subspan(4)).u32() == 1400);
  CHECK(quote_of(message) == original);
}

TEST_CASE("an IPv6 error quotes the packet whole and says the MTU")
{
  const Bytes original = hex(vectors::IPV6_UDP);
  const SmallPacket packet
    = icmp_error(IcmpErrorKind::fragmentation_needed, 100000, address(GATEWAY6), original);
  const Bytes message = checked_message(packet, GATEWAY6, "2001:db8::100");
  CHECK(message[0] == 2);
  CHECK(message[1] == 0);
  CHECK(Reader(ByteView(message).subspan(4)).u32() == 100000);
  CHECK(quote_of(message) == original);
}

TEST_CASE("an IPv4 MTU beyond its 16 bits leaves the unused ones zero")
{
  const SmallPacket packet = icmp_error(
    IcmpErrorKind::fragmentation_needed, 100000, address(GATEWAY4), hex(vectors::IPV4_UDP));
  CHECK(Reader(packet.bytes().subspan(24)).u32() == 0xffff);
}

TEST_CASE("an unrecognised next header is pointed at")
{
  const SmallPacket packet = icmp_error(
    IcmpErrorKind::protocol_unreachable, 0, address(GATEWAY6), hex(vectors::IPV6_CHAIN));
  const Bytes message = checked_message(packet, GATEWAY6, "2001:db8::100");
  CHECK(message[0] == 4);
  CHECK(message[1] == 1);
  CHECK(Reader(ByteView(message).subspan(4)).u32() == 56);
}

TEST_CASE("a large packet is quoted up to 576 and 1280 bytes in all")
{
  const Bytes v4 = large_packet(Family::ipv4, 1400);
  const SmallPacket error4 = icmp_error(IcmpErrorKind::port_unreachable, 0, address(GATEWAY4), v4);
  CHECK(error4.bytes().size() == 576);
  const Bytes quote4 = quote_of(checked_message(error4, GATEWAY4, "192.0.2.100"));
  CHECK(std::equal(quote4.begin(), quote4.end(), v4.begin()));

  const Bytes v6 = large_packet(Family::ipv6, 1400);
  const SmallPacket error6 = icmp_error(IcmpErrorKind::port_unreachable, 0, address(GATEWAY6), v6);
  CHECK(error6.bytes().size() == 1280);
  const Bytes quote6 = quote_of(checked_message(error6, GATEWAY6, "2001:db8::100"));
  CHECK(std::equal(quote6.begin(), quote6.end(), v6.begin()));
}

TEST_CASE("a quote leaves link-layer padding out, and takes a packet whose tail is missing")
{
  const Bytes original = hex(vectors::IPV4_UDP);
  Bytes padded = original;
  padded.resize(60);
  CHECK(
    quote_of(checked_message(icmp_error(IcmpErrorKind::time_exceeded, 0, address(GATEWAY4), padded),
                             GATEWAY4,
                             "192.0.2.100"))
    == original);
  const Bytes cut(original.begin(), original.begin() + 28);
  CHECK(
    quote_of(checked_message(
      icmp_error(IcmpErrorKind::time_exceeded, 0, address(GATEWAY4), cut), GATEWAY4, "192.0.2.100"))
    == cut);
}

TEST_CASE("an error is rebuilt from the host's type and code")
{
  const Bytes message
    = checked_message(icmp_error(3, 9, 0x01020304, address("198.51.100.1"), hex(vectors::IPV4_UDP)),
                      "198.51.100.1",
                      "192.0.2.100");
  CHECK(message[0] == 3);
  CHECK(message[1] == 9);
  CHECK(Reader(ByteView(message).subspan(4)).u32() == 0x01020304);
}

TEST_CASE("no error is made of a header that cannot be read, or across families")
{
  const IpAddress gateway = address(GATEWAY4);
  for (const std::string_view vector : {vectors::IPV4_UDP, vectors::IPV6_UDP}) {
    const Bytes packet = hex(vector);
    const std::size_t header_bytes = packet[0] >> 4U == 4 ? 20 : 40;
    every_truncation(packet, [header_bytes, &gateway](const Bytes& prefix) {
      const bool makes_one = prefix.size() >= header_bytes && header_bytes == 20;
      CHECK(icmp_error(IcmpErrorKind::time_exceeded, 0, gateway, prefix).empty() == !makes_one);
    });
  }
}

TEST_CASE("errors are answered to nobody who must not get one")
{
  struct Case
  {
    std::string what;
    Bytes packet;
    bool may;
  };
  Bytes icmp6_error = hex(vectors::IPV6_ECHO);
  icmp6_error[40] = ICMPV6_DESTINATION_UNREACHABLE;
  Bytes icmp6_redirect = hex(vectors::IPV6_ECHO);
  icmp6_redirect[40] = ICMPV6_REDIRECT;
  Bytes icmp4_error = hex(vectors::IPV4_ECHO);
  icmp4_error[20] = ICMP_TIME_EXCEEDED;
  Bytes icmp4_empty = hex(vectors::IPV4_ECHO);
  icmp4_empty[3] = 20;
  const Case cases[] = {
    {"UDP", hex(vectors::IPV4_UDP), true},
    {"UDP over IPv6", hex(vectors::IPV6_UDP), true},
    {"echo", hex(vectors::IPV4_ECHO), true},
    {"ICMPv6 echo", hex(vectors::IPV6_ECHO), true},
    {"ICMP error", icmp4_error, false},
    {"ICMPv6 error", icmp6_error, false},
    {"ICMPv6 redirect", icmp6_redirect, false},
    {"ICMP without a type", Bytes(icmp4_empty.begin(), icmp4_empty.begin() + 20), false},
    {"first fragment", ipv4_with(6, "2000"), true},
    {"later fragment", ipv4_with(6, "2001"), false},
    {"later IPv6 fragment", hex(vectors::IPV6_FRAGMENT), false},
    {"to multicast", ipv4_with(16, "e0000001"), false},
    {"to IPv6 multicast", hex(vectors::NEIGHBOR_SOLICITATION), false},
    {"to broadcast", ipv4_with(16, "ffffffff"), false},
    {"from nobody", ipv4_with(12, "00000000"), false},
    {"from loopback", ipv4_with(12, "7f000001"), false},
    {"from multicast", ipv4_with(12, "e0000001"), false},
    {"from broadcast", ipv4_with(12, "ffffffff"), false},
    {"from the unspecified address", hex(vectors::DUPLICATE_PROBE), false},
  };
  for (const Case& each : cases) {
    CAPTURE(each.what);
    CHECK(may_answer(each.packet) == each.may);
  }
}
