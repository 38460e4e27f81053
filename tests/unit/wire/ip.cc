#include "wire/ip.hh"

#include "sample.hh"
#include "vectors.hh"
#include "wire/checksum.hh"

using namespace slirpstack;
using namespace sample;

namespace {

Bytes header_bytes(const IpHeader& header)
{
  Bytes buffer(IPV6_HEADER_BYTES);
  Writer writer(buffer);
  buffer.resize(write_ip_header(writer, header));
  return buffer;
}

/// An IPv6 packet of these extension headers, with the first one's number.
Bytes ipv6_chain(std::uint8_t first, const Bytes& chain)
{
  IpHeader header;
  header.source = address("2001:db8::1");
  header.destination = address("2001:db8::2");
  header.protocol = first;
  header.total_length_bytes = static_cast<std::uint32_t>(IPV6_HEADER_BYTES + chain.size());
  Bytes packet = header_bytes(header);
  packet.insert(packet.end(), chain.begin(), chain.end());
  return packet;
}

void fix_ipv4_checksum(Bytes& packet)
{
  Writer(MutableBytes(packet).subspan(10)).u16(0);
  Checksum sum;
  sum.add(ByteView(packet).first(std::size_t{packet[0] & 0x0fU} * 4));
  Writer(MutableBytes(packet).subspan(10)).u16(sum.finish());
}

} // namespace

TEST_CASE("an IPv4 header is read, and written as the same bytes")
{
  const Bytes packet = hex(vectors::IPV4_UDP);
  const auto header = IpHeader::parse(packet);
  REQUIRE(header);
  CHECK(header->source == address("192.0.2.100"));
  CHECK(header->destination == address("198.51.100.7"));
  CHECK(header->protocol == PROTOCOL_UDP);
  CHECK(header->hop_limit == 64);
  CHECK(header->identification == 0x1234);
  CHECK(header->dont_fragment);
  CHECK_FALSE(header->is_fragment());
  CHECK(header->header_length_bytes == 20);
  CHECK(header->unfragmentable_length_bytes == 20);
  CHECK(header->protocol_offset_bytes == 9);
  CHECK(header->total_length_bytes == packet.size());
  CHECK(copy(header->payload(packet)) == Bytes(packet.begin() + 20, packet.end()));
  CHECK(header_bytes(*header) == Bytes(packet.begin(), packet.begin() + 20));
}

TEST_CASE("an IPv6 header is read, and written as the same bytes")
{
  const Bytes packet = hex(vectors::IPV6_UDP);
  const auto header = IpHeader::parse(packet);
  REQUIRE(header);
  CHECK(header->source == address("2001:db8::100"));
  CHECK(header->destination == address("2001:db8:1::7"));
  CHECK(header->protocol == PROTOCOL_UDP);
  CHECK(header->dont_fragment);
  CHECK(header->header_length_bytes == 40);
  CHECK(header->unfragmentable_length_bytes == 40);
  CHECK(header->protocol_offset_bytes == 6);
  CHECK(header->total_length_bytes == packet.size());
  CHECK(header_bytes(*header) == Bytes(packet.begin(), packet.begin() + 40));
}

TEST_CASE("IPv4 options and padding belong to no payload")
{
  Bytes packet = hex(vectors::IPV4_OPTIONS);
  packet.resize(packet.size() + 9); // as Ethernet pads
  const auto header = IpHeader::parse(packet);
  REQUIRE(header);
  CHECK(header->header_length_bytes == 24);
  CHECK(header->payload(packet).size() == 9);
}

TEST_CASE("fragments of both families are seen as such")
{
  const auto v4 = IpHeader::parse(hex(vectors::IPV4_FRAGMENT));
  REQUIRE(v4);
  CHECK(v4->is_fragment());
  CHECK(v4->more_fragments);
  CHECK(v4->fragment_offset_bytes == 8);

  const auto v6 = IpHeader::parse(hex(vectors::IPV6_FRAGMENT));
  REQUIRE(v6);
  CHECK(v6->is_fragment());
  CHECK(v6->more_fragments);
  CHECK(v6->fragment_offset_bytes == 16);
  CHECK(v6->identification == 0xcafef00d);
  CHECK(v6->protocol == PROTOCOL_UDP);
  CHECK(v6->unfragmentable_length_bytes == 48);
  CHECK(v6->header_length_bytes == 56);
  CHECK(v6->payload_length_bytes() == 16);
}

TEST_CASE("an atomic fragment is a whole packet")
{
  const auto header = IpHeader::parse(hex(vectors::IPV6_ATOMIC));
  REQUIRE(header);
  CHECK_FALSE(header->is_fragment());
  CHECK(header->protocol == PROTOCOL_UDP);
  CHECK(header->header_length_bytes == 48);
  CHECK(header->protocol_offset_bytes == 40);
}

TEST_CASE("IPv6 extension headers are skipped to the upper layer")
{
  const Bytes packet = hex(vectors::IPV6_CHAIN);
  const auto header = IpHeader::parse(packet);
  REQUIRE(header);
  CHECK(header->protocol == PROTOCOL_UDP);
  CHECK(header->header_length_bytes == 64);
  CHECK(header->protocol_offset_bytes == 56);
  CHECK(header->payload(packet).size() == 10);
}

TEST_CASE("a bad chain of IPv6 extension headers is named")
{
  const Bytes one_option = hex("3c00010400000000"); // next: destination options once more
  Bytes eight;
  for (int i = 0; i < 8; ++i) {
    eight.insert(eight.end(), one_option.begin(), one_option.end());
  }
  Bytes nine = eight;
  nine.insert(nine.end(), one_option.begin(), one_option.end());
  eight[56] = PROTOCOL_NO_NEXT_HEADER;
  CHECK(IpHeader::parse(ipv6_chain(60, eight)));

  struct Case
  {
    std::string what;
    Bytes packet;
    Drop reason;
  };
  const Case cases[] = {
    {"nine headers", ipv6_chain(60, nine), Drop::bad_header},
    {"segments left", ipv6_chain(43, hex("1100000100000000")), Drop::bad_header},
    {"hop-by-hop second",
     ipv6_chain(60, hex("00000104000000001100010400000000")),
     Drop::bad_header},
    {"two fragment headers",
     ipv6_chain(44, hex("2c00000000000001110000010000000100")),
     Drop::bad_header},
    {"longer than the packet", ipv6_chain(60, hex("1101010400000000")), Drop::truncated},
    {"cut in the fragment header", ipv6_chain(44, hex("110000")), Drop::truncated},
    {"announced only", ipv6_chain(0, {}), Drop::truncated},
  };
  for (const Case& each : cases) {
    CAPTURE(each.what);
    const auto header = IpHeader::parse(each.packet);
    REQUIRE_FALSE(header);
    CHECK(header.drop() == each.reason);
  }
}

TEST_CASE("a bad IPv4 header is named")
{
  struct Case
  {
    std::string what;
    std::size_t at;
    std::uint8_t value;
    Drop reason;
  };
  const Case cases[] = {
    {"version 5", 0, 0x55, Drop::bad_version},
    {"header of 16 bytes", 0, 0x44, Drop::bad_length},
    {"header longer than the packet", 0, 0x4f, Drop::bad_length},
    {"total length below the header", 3, 19, Drop::bad_length},
    {"total length beyond the bytes", 2, 1, Drop::truncated},
  };
  for (const Case& each : cases) {
    CAPTURE(each.what);
    Bytes packet = hex(vectors::IPV4_UDP);
    packet[each.at] = each.value;
    const auto header = IpHeader::parse(packet, HeaderChecksum::trusted);
    REQUIRE_FALSE(header);
    CHECK(header.drop() == each.reason);
  }
}

TEST_CASE("the IPv4 header checksum is verified unless trusted")
{
  Bytes packet = hex(vectors::IPV4_UDP);
  packet[8] ^= 1U;
  const auto header = IpHeader::parse(packet);
  REQUIRE_FALSE(header);
  CHECK(header.drop() == Drop::bad_checksum);
  CHECK(IpHeader::parse(packet, HeaderChecksum::trusted));
  fix_ipv4_checksum(packet);
  CHECK(IpHeader::parse(packet));
}

TEST_CASE("a packet cut anywhere is truncated")
{
  for (const std::string_view vector : {vectors::IPV4_UDP,
                                        vectors::IPV4_OPTIONS,
                                        vectors::IPV6_UDP,
                                        vectors::IPV6_CHAIN,
                                        vectors::IPV6_FRAGMENT}) {
    CAPTURE(vector);
    every_truncation(hex(vector), [](const Bytes& prefix) {
      const auto header = IpHeader::parse(prefix);
      REQUIRE_FALSE(header);
      CHECK(header.drop() == Drop::truncated);
    });
  }
}

TEST_CASE("random IP headers come back as they went")
{
  Random random;
  for (int round = 0; round < 2000; ++round) {
    CAPTURE(round);
    const Family family = random.coin() ? Family::ipv4 : Family::ipv6;
    const bool is_ipv4 = family == Family::ipv4;
    IpHeader header;
    header.source = random.address(family);
    header.destination = random.address(family);
    header.protocol = is_ipv4 ? random.next<std::uint8_t>() : PROTOCOL_TCP;
    header.hop_limit = random.next<std::uint8_t>();
    header.traffic_class = random.next<std::uint8_t>();
    header.dont_fragment = !is_ipv4 || random.coin();
    header.more_fragments = is_ipv4 && random.coin();
    header.fragment_offset_bytes
      = is_ipv4 ? static_cast<std::uint16_t>(random.below(8192) * 8) : std::uint16_t{0};
    header.identification = is_ipv4 ? random.next<std::uint16_t>() : std::uint16_t{0};
    header.header_length_bytes = is_ipv4 ? 20 : 40;
    header.unfragmentable_length_bytes = header.header_length_bytes;
    header.protocol_offset_bytes = is_ipv4 ? 9 : 6;
    header.total_length_bytes
      = static_cast<std::uint32_t>(header.header_length_bytes + random.below(100));
    Bytes packet = header_bytes(header);
    packet.resize(header.total_length_bytes);
    const auto parsed = IpHeader::parse(packet);
    REQUIRE(parsed);
    CHECK(*parsed == header);
  }
}

TEST_CASE("an IPv6 payload may be all of 65535 bytes")
{
  const Bytes packet = ipv6_chain(PROTOCOL_UDP, Bytes(65535));
  const auto header = IpHeader::parse(packet);
  REQUIRE(header);
  CHECK(header->total_length_bytes == 65575);
  CHECK(header->payload(packet).size() == 65535);
}

TEST_CASE("a quoted packet may be cut behind its header, and only there")
{
  struct Case
  {
    std::string_view packet;
    std::size_t header_bytes;
  };
  for (const Case& each : {Case{vectors::IPV4_TCP_SYN, 20},
                           {vectors::IPV4_OPTIONS, 24},
                           {vectors::IPV6_ECHO, 40},
                           {vectors::IPV6_FRAGMENT, 56}}) {
    const Bytes packet = hex(each.packet);
    const auto whole = IpHeader::parse(packet);
    REQUIRE(whole);
    CHECK(*IpHeader::parse_quoted(packet) == *whole);
    every_truncation(packet, [&](const Bytes& quote) {
      CHECK_FALSE(IpHeader::parse(quote));
      const auto header = IpHeader::parse_quoted(quote);
      REQUIRE(static_cast<bool>(header) == (quote.size() >= each.header_bytes));
      CHECK((header ? *header == *whole : header.drop() == Drop::truncated));
    });
  }
}

TEST_CASE("a quoted packet whose header reaches beyond its stated length is refused")
{
  Bytes v4 = hex(vectors::IPV4_OPTIONS);
  v4[3] = 20;
  fix_ipv4_checksum(v4);
  REQUIRE_FALSE(IpHeader::parse_quoted(v4));
  CHECK(IpHeader::parse_quoted(v4).drop() == Drop::bad_length);
  Bytes v6 = hex(vectors::IPV6_CHAIN);
  v6[5] = 16;
  REQUIRE_FALSE(IpHeader::parse_quoted(v6));
  CHECK(IpHeader::parse_quoted(v6).drop() == Drop::truncated);
}
