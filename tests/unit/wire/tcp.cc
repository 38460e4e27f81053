#include "wire/tcp.hh"

#include "sample.hh"
#include "vectors.hh"
#include "wire/transport_checksum.hh"

using namespace slirpstack;
using namespace sample;

namespace {

Bytes segment_of(std::string_view vector)
{
  const Bytes packet = hex(vector);
  return copy(IpHeader::parse(packet)->payload(packet));
}

/// A SYN with these options, padded to whole words by zeros.
Bytes syn_with(const Bytes& options)
{
  TcpHeader header;
  header.flags = TCP_FLAG_SYN;
  Bytes segment = written(header);
  segment.insert(segment.end(), options.begin(), options.end());
  segment.resize((segment.size() + 3) / 4 * 4);
  segment[12] = static_cast<std::uint8_t>(segment.size() / 4 << 4U);
  return segment;
}

TcpHeader parsed(std::string_view vector)
{
  const auto header = TcpHeader::parse(segment_of(vector));
  REQUIRE(header);
  return *header;
}

/// The reset, read back, with its checksums verified.
TcpHeader checked_reset(const SmallPacket& packet, const IpHeader& answered)
{
  const auto ip = IpHeader::parse(packet.bytes());
  REQUIRE(ip);
  CHECK(ip->source == answered.destination);
  CHECK(ip->destination == answered.source);
  CHECK(ip->total_length_bytes == packet.bytes().size());
  CHECK(verify_transport_checksum(*ip, ip->payload(packet.bytes())));
  const auto tcp = TcpHeader::parse(ip->payload(packet.bytes()));
  REQUIRE(tcp);
  return *tcp;
}

} // namespace

TEST_CASE("a SYN is read with its options, and written as the same bytes")
{
  const Bytes segment = segment_of(vectors::IPV4_TCP_SYN);
  const TcpHeader header = parsed(vectors::IPV4_TCP_SYN);
  CHECK(header.source_port == 40000);
  CHECK(header.destination_port == 443);
  CHECK(header.sequence == 0x01020304);
  CHECK(header.flags == TCP_FLAG_SYN);
  CHECK(header.window == 64240);
  CHECK(header.header_length_bytes == 32);
  CHECK(header.maximum_segment_size == 1460);
  CHECK(header.window_scale == 7);
  CHECK(header.has_sack_permitted);
  CHECK(written(header) == segment);
}

TEST_CASE("a data segment is read up to its data")
{
  const TcpHeader header = parsed(vectors::IPV4_TCP_DATA);
  CHECK(header.flags == (TCP_FLAG_PSH | TCP_FLAG_ACK));
  CHECK(header.acknowledgment == 99);
  CHECK(header.header_length_bytes == 20);
  CHECK(header.sequence_length(3) == 3);
}

TEST_CASE("the options of a SYN count on a SYN only")
{
  Bytes segment = segment_of(vectors::IPV4_TCP_SYN);
  segment[13] = TCP_FLAG_ACK;
  const auto header = TcpHeader::parse(segment);
  REQUIRE(header);
  CHECK_FALSE(header->maximum_segment_size);
  CHECK_FALSE(header->window_scale);
  CHECK_FALSE(header->has_sack_permitted);
}

TEST_CASE("options must be well formed and end inside the header")
{
  struct Case
  {
    std::string what;
    std::string options;
    bool is_right;
  };
  const Case cases[] = {
    {"timestamps and SACK", "0101080a00000001000000020101050a0000001000000020", true},
    {"an unknown option", "fe04abcd", true},
    {"what follows the end is nothing", "0002ffff", true},
    {"length zero", "02000000", false},
    {"length one", "fe010000", false},
    {"kind without a length", "01010102", false},
    {"MSS over the end", "01020405", false},
    {"unknown option over the end", "fe05abcd", false},
    {"MSS of three bytes", "02030500", false},
    {"window scale of four bytes", "03040700", false},
    {"SACK permitted with a value", "04030000", false},
    {"SACK without a block", "05020101", false},
    {"SACK of half a block", "050600000001", false},
    {"short timestamps", "08060000000101010101", false},
  };
  for (const Case& each : cases) {
    CAPTURE(each.what);
    const auto header = TcpHeader::parse(syn_with(hex(each.options)));
    CHECK(static_cast<bool>(header) == each.is_right);
    if (!header) {
      CHECK(header.drop() == Drop::bad_option);
    }
  }
}

TEST_CASE("a data offset below five or beyond the segment is a drop")
{
  Bytes segment = segment_of(vectors::IPV4_TCP_DATA);
  segment[12] = 0x40;
  CHECK(TcpHeader::parse(segment).drop() == Drop::bad_length);
  segment[12] = 0xf0;
  CHECK(TcpHeader::parse(segment).drop() == Drop::truncated);
}

TEST_CASE("a TCP header cut anywhere is truncated")
{
  every_truncation(segment_of(vectors::IPV6_TCP_SYN), [](const Bytes& prefix) {
    const auto header = TcpHeader::parse(prefix);
    REQUIRE_FALSE(header);
    CHECK(header.drop() == Drop::truncated);
  });
}

TEST_CASE("random TCP headers come back as they went")
{
  Random random;
  for (int round = 0; round < 2000; ++round) {
    CAPTURE(round);
    TcpHeader header;
    header.source_port = random.next<std::uint16_t>();
    header.destination_port = random.next<std::uint16_t>();
    header.sequence = random.next<std::uint32_t>();
    header.acknowledgment = random.next<std::uint32_t>();
    header.flags = random.next<std::uint8_t>();
    header.window = random.next<std::uint16_t>();
    header.checksum = random.next<std::uint16_t>();
    header.urgent_pointer = random.next<std::uint16_t>();
    if (header.has(TCP_FLAG_SYN)) {
      header.maximum_segment_size
        = random.coin() ? std::optional(random.next<std::uint16_t>()) : std::nullopt;
      header.window_scale
        = random.coin() ? std::optional(random.next<std::uint8_t>()) : std::nullopt;
      header.has_sack_permitted = random.coin();
    }
    const Bytes segment = written(header);
    header.header_length_bytes = static_cast<std::uint16_t>(segment.size());
    const auto parsed = TcpHeader::parse(segment);
    REQUIRE(parsed);
    CHECK(*parsed == header);
  }
}

TEST_CASE("a reset answers as RFC 9293 3.10.7.1 says")
{
  struct Case
  {
    std::uint8_t flags;
    std::size_t payload_bytes;
    std::uint8_t reset_flags;
    std::uint32_t sequence;
    std::uint32_t acknowledgment;
  };
  const Case cases[] = {
    {TCP_FLAG_SYN, 0, TCP_FLAG_RST | TCP_FLAG_ACK, 0, 1001},
    {TCP_FLAG_SYN | TCP_FLAG_FIN, 5, TCP_FLAG_RST | TCP_FLAG_ACK, 0, 1007},
    {0, 3, TCP_FLAG_RST | TCP_FLAG_ACK, 0, 1003},
    {TCP_FLAG_ACK, 100, TCP_FLAG_RST, 77, 0},
    {TCP_FLAG_SYN | TCP_FLAG_ACK, 0, TCP_FLAG_RST, 77, 0},
  };
  for (const std::string_view vector : {vectors::IPV4_TCP_SYN, vectors::IPV6_TCP_SYN}) {
    const Bytes packet = hex(vector);
    const auto ip = IpHeader::parse(packet);
    REQUIRE(ip);
    for (const Case& each : cases) {
      CAPTURE(each.flags);
      TcpHeader tcp = parsed(vector);
      tcp.flags = each.flags;
      tcp.sequence = 1000;
      tcp.acknowledgment = 77;
      const auto packet_back = reset_for(*ip, tcp, each.payload_bytes);
      REQUIRE(packet_back);
      const TcpHeader reset = checked_reset(*packet_back, *ip);
      CHECK(reset.source_port == 443);
      CHECK(reset.destination_port == 40000);
      CHECK(reset.flags == each.reset_flags);
      CHECK(reset.sequence == each.sequence);
      CHECK(reset.acknowledgment == each.acknowledgment);
    }
  }
}

TEST_CASE("a reset is not answered with a reset")
{
  TcpHeader tcp = parsed(vectors::IPV4_TCP_SYN);
  tcp.flags = TCP_FLAG_RST | TCP_FLAG_ACK;
  CHECK_FALSE(reset_for(*IpHeader::parse(hex(vectors::IPV4_TCP_SYN)), tcp, 0));
}
