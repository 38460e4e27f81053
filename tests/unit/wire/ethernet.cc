#include "wire/ethernet.hh"

#include "sample.hh"

using namespace slirpstack;
using namespace sample;

TEST_CASE("an Ethernet header is read, and written as the same bytes")
{
  const Bytes frame = hex("02000000000202000000000186dd");
  const auto header = EthernetHeader::parse(frame);
  REQUIRE(header);
  CHECK(header->destination.to_string() == "02:00:00:00:00:02");
  CHECK(header->source.to_string() == "02:00:00:00:00:01");
  CHECK(header->ethertype == ETHERTYPE_IPV6);
  CHECK(written(*header) == frame);
}

TEST_CASE("a frame cut anywhere in its header is truncated")
{
  every_truncation(hex("0200000000020200000000010800"), [](const Bytes& prefix) {
    const auto header = EthernetHeader::parse(prefix);
    REQUIRE_FALSE(header);
    CHECK(header.drop() == Drop::truncated);
  });
}

TEST_CASE("random Ethernet headers come back as they went")
{
  Random random;
  for (int round = 0; round < 200; ++round) {
    const Bytes frame = random.bytes(EthernetHeader::SIZE_BYTES);
    CHECK(written(*EthernetHeader::parse(frame)) == frame);
  }
}
