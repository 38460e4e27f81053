#include "wire/transport_checksum.hh"

#include "sample.hh"
#include "vectors.hh"

using namespace slirpstack;
using namespace sample;

namespace {

const std::string_view WHOLE_PACKETS[] = {
  vectors::IPV4_UDP,
  vectors::IPV4_TCP_SYN,
  vectors::IPV4_TCP_DATA,
  vectors::IPV4_ECHO,
  vectors::IPV6_UDP,
  vectors::IPV6_TCP_SYN,
  vectors::IPV6_ECHO,
  vectors::IPV6_CHAIN,
  vectors::IPV6_ATOMIC,
};

/// Where each upper layer keeps its checksum.
std::size_t field(std::uint8_t protocol)
{
  return protocol == PROTOCOL_TCP ? 16 : protocol == PROTOCOL_UDP ? 6 : 2;
}

} // namespace

TEST_CASE("right checksums pass and any flipped bit is seen")
{
  for (const std::string_view vector : WHOLE_PACKETS) {
    CAPTURE(vector);
    const Bytes packet = hex(vector);
    const auto header = IpHeader::parse(packet);
    REQUIRE(header);
    Bytes payload = copy(header->payload(packet));
    CHECK(verify_transport_checksum(*header, payload));
    for (std::size_t i = 0; i < payload.size(); ++i) {
      CAPTURE(i);
      payload[i] ^= 0x10U;
      CHECK_FALSE(verify_transport_checksum(*header, payload));
      payload[i] ^= 0x10U;
    }
  }
}

TEST_CASE("a filled checksum is the vector's")
{
  for (const std::string_view vector : WHOLE_PACKETS) {
    CAPTURE(vector);
    const Bytes packet = hex(vector);
    const auto header = IpHeader::parse(packet);
    REQUIRE(header);
    const Bytes right = copy(header->payload(packet));
    Bytes filled = right;
    filled[field(header->protocol)] ^= 0x5aU;
    fill_transport_checksum(*header, filled);
    CHECK(filled == right);
  }
}

TEST_CASE("UDP without a checksum passes over IPv4 alone")
{
  for (const std::string_view vector : {vectors::IPV4_UDP, vectors::IPV6_UDP}) {
    const Bytes packet = hex(vector);
    const auto header = IpHeader::parse(packet);
    REQUIRE(header);
    Bytes payload = copy(header->payload(packet));
    payload[6] = payload[7] = 0;
    CHECK(verify_transport_checksum(*header, payload) == (header->family() == Family::ipv4));
  }
}

TEST_CASE("UDP's sum of zero is sent as all ones")
{
  const Bytes packet = hex(vectors::IPV4_UDP);
  const auto header = IpHeader::parse(packet);
  REQUIRE(header);
  Bytes payload = copy(header->payload(packet));
  // The destination port takes up what the checksum said, so that the sum comes out as zero.
  const std::uint32_t sum
    = Reader(ByteView(payload).subspan(2)).u16() + Reader(ByteView(payload).subspan(6)).u16();
  Writer(MutableBytes(payload).subspan(2))
    .u16(static_cast<std::uint16_t>((sum & 0xffffU) + (sum >> 16U)));
  fill_transport_checksum(*header, payload);
  CHECK(payload[6] == 0xff);
  CHECK(payload[7] == 0xff);
  CHECK(verify_transport_checksum(*header, payload));
}

TEST_CASE("a UDP checksum does not cover what lies behind the datagram")
{
  const Bytes packet = hex(vectors::IPV4_UDP);
  const auto header = IpHeader::parse(packet);
  REQUIRE(header);
  Bytes payload = copy(header->payload(packet));
  payload.push_back(0x77);
  CHECK(verify_transport_checksum(*header, payload));
}

TEST_CASE("a payload cut anywhere fails without being read behind its end")
{
  for (const std::string_view vector : WHOLE_PACKETS) {
    CAPTURE(vector);
    const Bytes packet = hex(vector);
    const auto header = IpHeader::parse(packet);
    REQUIRE(header);
    every_truncation(copy(header->payload(packet)), [&header](Bytes prefix) {
      CHECK_FALSE(verify_transport_checksum(*header, prefix));
      fill_transport_checksum(*header, prefix);
    });
  }
}

TEST_CASE("a protocol that we do not know passes and stays as it is")
{
  const Bytes packet = hex(vectors::IPV4_UDP);
  IpHeader header = *IpHeader::parse(packet);
  for (const std::uint8_t protocol : {std::uint8_t{132}, PROTOCOL_ICMPV6}) {
    CAPTURE(protocol);
    header.protocol = protocol;
    Bytes payload(20, 0x33);
    CHECK(verify_transport_checksum(header, payload));
    fill_transport_checksum(header, payload);
    CHECK(payload == Bytes(20, 0x33));
  }
}
