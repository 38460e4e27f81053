#include "wire/udp.hh"

#include "sample.hh"
#include "vectors.hh"

using namespace slirpstack;
using namespace sample;

namespace {

Bytes datagram()
{
  const Bytes packet = hex(vectors::IPV4_UDP);
  return Bytes(packet.begin() + 20, packet.end());
}

} // namespace

TEST_CASE("a UDP header is read, and written as the same bytes")
{
  const Bytes bytes = datagram();
  const auto header = UdpHeader::parse(bytes);
  REQUIRE(header);
  CHECK(header->source_port == 5353);
  CHECK(header->destination_port == 53);
  CHECK(header->length_bytes == 13);
  CHECK(copy(header->data(bytes)) == hex("68656c6c6f"));
  CHECK(written(*header) == Bytes(bytes.begin(), bytes.begin() + 8));
}

TEST_CASE("a UDP length may leave bytes behind, but not invent any")
{
  Bytes bytes = datagram();
  bytes[5] = 8; // no data: the five bytes are of nobody
  const auto empty = UdpHeader::parse(bytes);
  REQUIRE(empty);
  CHECK(empty->data(bytes).empty());
  bytes[5] = 14;
  CHECK(UdpHeader::parse(bytes).drop() == Drop::truncated);
  bytes[5] = 7;
  CHECK(UdpHeader::parse(bytes).drop() == Drop::bad_length);
}

TEST_CASE("a UDP datagram cut anywhere is truncated")
{
  every_truncation(datagram(), [](const Bytes& prefix) {
    const auto header = UdpHeader::parse(prefix);
    REQUIRE_FALSE(header);
    CHECK(header.drop() == Drop::truncated);
  });
}

TEST_CASE("random UDP headers come back as they went")
{
  Random random;
  for (int round = 0; round < 1000; ++round) {
    CAPTURE(round);
    const UdpHeader header{random.next<std::uint16_t>(),
                           random.next<std::uint16_t>(),
                           static_cast<std::uint16_t>(8 + random.below(500)),
                           random.next<std::uint16_t>()};
    Bytes bytes = written(header);
    bytes.resize(header.length_bytes);
    const auto parsed = UdpHeader::parse(bytes);
    REQUIRE(parsed);
    CHECK(*parsed == header);
  }
}
