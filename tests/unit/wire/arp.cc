#include "wire/arp.hh"

#include "sample.hh"
#include "vectors.hh"

using namespace slirpstack;
using namespace sample;

TEST_CASE("an ARP request is read, and written as the same bytes")
{
  const Bytes bytes = hex(vectors::ARP_REQUEST);
  const auto packet = ArpPacket::parse(bytes);
  REQUIRE(packet);
  CHECK(packet->operation == ARP_REQUEST);
  CHECK(packet->sender_mac.to_string() == "02:00:00:00:00:01");
  CHECK(packet->sender_address == address("10.0.2.100"));
  CHECK(packet->target_mac == MacAddress{});
  CHECK(packet->target_address == address("10.0.2.2"));
  CHECK(written(*packet) == bytes);
}

TEST_CASE("ARP may be padded, as the shortest frame needs")
{
  Bytes bytes = hex(vectors::ARP_REQUEST);
  bytes.resize(46);
  CHECK(ArpPacket::parse(bytes));
}

TEST_CASE("ARP that is not for IPv4 over Ethernet is refused")
{
  struct Case
  {
    std::string what;
    std::size_t at;
    std::uint8_t value;
    Drop reason;
  };
  const Case cases[] = {
    {"hardware type", 1, 6, Drop::bad_header},
    {"protocol type", 2, 0x86, Drop::bad_header},
    {"hardware length", 4, 8, Drop::bad_header},
    {"protocol length", 5, 16, Drop::bad_header},
    {"reverse ARP", 7, 3, Drop::unexpected_type},
  };
  for (const Case& each : cases) {
    CAPTURE(each.what);
    Bytes bytes = hex(vectors::ARP_REQUEST);
    bytes[each.at] = each.value;
    const auto packet = ArpPacket::parse(bytes);
    REQUIRE_FALSE(packet);
    CHECK(packet.drop() == each.reason);
  }
}

TEST_CASE("an ARP packet cut anywhere is truncated")
{
  every_truncation(hex(vectors::ARP_REQUEST), [](const Bytes& prefix) {
    const auto packet = ArpPacket::parse(prefix);
    REQUIRE_FALSE(packet);
    CHECK(packet.drop() == Drop::truncated);
  });
}

TEST_CASE("random ARP packets come back as they went")
{
  Random random;
  for (int round = 0; round < 500; ++round) {
    CAPTURE(round);
    ArpPacket packet;
    packet.operation = random.coin() ? ARP_REQUEST : ARP_REPLY;
    std::ranges::copy(random.bytes(6), packet.sender_mac.bytes.begin());
    packet.sender_address = random.address(Family::ipv4);
    std::ranges::copy(random.bytes(6), packet.target_mac.bytes.begin());
    packet.target_address = random.address(Family::ipv4);
    CHECK(*ArpPacket::parse(written(packet)) == packet);
  }
}
