#include "wire/ndp.hh"

#include "sample.hh"
#include "vectors.hh"
#include "wire/transport_checksum.hh"

using namespace slirpstack;
using namespace sample;

namespace {

const MacAddress MAC{{2, 0, 0, 0, 0, 1}};

/// Parses the message inside an IPv6 packet.
template<typename Message>
Parsed<Message> parse(const Bytes& packet)
{
  const auto header = IpHeader::parse(packet);
  REQUIRE(header);
  return Message::parse(*header, header->payload(packet));
}

/// The packet with a byte changed and the checksum right again.
Bytes changed(std::string_view vector, std::size_t at, std::uint8_t value)
{
  Bytes packet = hex(vector);
  packet[at] = value;
  fill_transport_checksum(*IpHeader::parse(packet), MutableBytes(packet).subspan(40));
  return packet;
}

template<typename Message>
void check_truncations(std::string_view vector)
{
  const Bytes packet = hex(vector);
  IpHeader header = *IpHeader::parse(packet);
  every_truncation(copy(header.payload(packet)), [&header](Bytes prefix) {
    fill_transport_checksum(header, prefix);
    const auto message = Message::parse(header, prefix);
    // Without its option a message is whole again; anywhere else it is cut.
    const bool without_option
      = prefix.size() == 24
        || (prefix.size() == 8 && header.hop_limit == 255 && prefix[0] == NDP_ROUTER_SOLICITATION);
    CHECK(static_cast<bool>(message) == without_option);
  });
}

} // namespace

TEST_CASE("a neighbor solicitation is read, and written as the same bytes")
{
  const Bytes packet = hex(vectors::NEIGHBOR_SOLICITATION);
  const auto solicitation = parse<NeighborSolicitation>(packet);
  REQUIRE(solicitation);
  CHECK(solicitation->target == address("fd00::2"));
  CHECK(solicitation->source_link_layer == MAC);
  CHECK(copy(solicitation->packet(address("fd00::100"), address("ff02::1:ff00:2")).bytes())
        == packet);
}

TEST_CASE("a probe for duplicates has no link-layer address")
{
  const Bytes packet = hex(vectors::DUPLICATE_PROBE);
  const auto solicitation = parse<NeighborSolicitation>(packet);
  REQUIRE(solicitation);
  CHECK_FALSE(solicitation->source_link_layer);
  CHECK(copy(solicitation->packet(address("::"), address("ff02::1:ff00:2")).bytes()) == packet);
}

TEST_CASE("a neighbor advertisement is read, and written as the same bytes")
{
  const Bytes packet = hex(vectors::NEIGHBOR_ADVERTISEMENT);
  const auto advertisement = parse<NeighborAdvertisement>(packet);
  REQUIRE(advertisement);
  CHECK(advertisement->target == address("fd00::2"));
  CHECK(advertisement->target_link_layer == MAC);
  CHECK(advertisement->router);
  CHECK(advertisement->solicited);
  CHECK(advertisement->override);
  CHECK(copy(advertisement->packet(address("fd00::2"), address("fd00::100")).bytes()) == packet);
}

TEST_CASE("a router solicitation is read")
{
  const auto solicitation = parse<RouterSolicitation>(hex(vectors::ROUTER_SOLICITATION));
  REQUIRE(solicitation);
  CHECK(solicitation->source_link_layer == MAC);
}

TEST_CASE("a solicitation that RFC 4861 7.1.1 forbids is dropped")
{
  struct Case
  {
    std::string what;
    Bytes packet;
    Drop reason;
  };
  Bytes flipped = hex(vectors::NEIGHBOR_SOLICITATION);
  flipped[70] ^= 1U;
  const std::string_view vector = vectors::NEIGHBOR_SOLICITATION;
  const Case cases[] = {
    {"checksum", flipped, Drop::bad_checksum},
    {"from beyond the link", changed(vector, 7, 254), Drop::bad_header},
    {"code", changed(vector, 41, 1), Drop::bad_header},
    {"multicast target", changed(vector, 48, 0xff), Drop::bad_header},
    {"option of length zero", changed(vector, 65, 0), Drop::bad_option},
    {"option over the end", changed(vector, 65, 2), Drop::bad_option},
    {"probe for another group", changed(vectors::DUPLICATE_PROBE, 39, 3), Drop::bad_header},
    {"an advertisement", hex(vectors::NEIGHBOR_ADVERTISEMENT), Drop::unexpected_type},
    {"an echo", hex(vectors::IPV6_ECHO), Drop::unexpected_type},
    {"UDP", hex(vectors::IPV6_UDP), Drop::unexpected_type},
    {"IPv4", hex(vectors::IPV4_ECHO), Drop::unexpected_type},
  };
  for (const Case& each : cases) {
    CAPTURE(each.what);
    const auto solicitation = parse<NeighborSolicitation>(each.packet);
    REQUIRE_FALSE(solicitation);
    CHECK(solicitation.drop() == each.reason);
  }
}

TEST_CASE("a probe with a link-layer address is dropped")
{
  const NeighborSolicitation probe{address("fd00::2"), MAC};
  const auto parsed = parse<NeighborSolicitation>(
    copy(probe.packet(address("::"), address("ff02::1:ff00:2")).bytes()));
  REQUIRE_FALSE(parsed);
  CHECK(parsed.drop() == Drop::bad_header);
}

TEST_CASE("a solicited advertisement to a group is dropped")
{
  const NeighborAdvertisement advertisement{address("fd00::2"), MAC, false, true, true};
  const auto parsed = parse<NeighborAdvertisement>(
    copy(advertisement.packet(address("fd00::2"), address("ff02::1")).bytes()));
  REQUIRE_FALSE(parsed);
  CHECK(parsed.drop() == Drop::bad_header);
}

TEST_CASE("options of other kinds are skipped")
{
  // A nonce (RFC 3971 5.3.2) in place of the link-layer address.
  const auto solicitation
    = parse<NeighborSolicitation>(changed(vectors::NEIGHBOR_SOLICITATION, 64, 14));
  REQUIRE(solicitation);
  CHECK_FALSE(solicitation->source_link_layer);
}

TEST_CASE("neighbor and router messages cut anywhere are dropped")
{
  check_truncations<NeighborSolicitation>(vectors::NEIGHBOR_SOLICITATION);
  check_truncations<NeighborAdvertisement>(vectors::NEIGHBOR_ADVERTISEMENT);
  check_truncations<RouterSolicitation>(vectors::ROUTER_SOLICITATION);
}

TEST_CASE("random advertisements come back as they went")
{
  Random random;
  for (int round = 0; round < 500; ++round) {
    CAPTURE(round);
    NeighborAdvertisement advertisement;
    Bytes target = random.bytes(16);
    target[0] = 0x20; // no group
    advertisement.target = IpAddress(target);
    if (random.coin()) {
      advertisement.target_link_layer = MAC;
    }
    advertisement.router = random.coin();
    advertisement.solicited = random.coin();
    advertisement.override = random.coin();
    const auto parsed = parse<NeighborAdvertisement>(
      copy(advertisement.packet(address("fd00::2"), address("fd00::100")).bytes()));
    REQUIRE(parsed);
    CHECK(parsed->target == advertisement.target);
    CHECK(parsed->target_link_layer == advertisement.target_link_layer);
    CHECK(parsed->router == advertisement.router);
    CHECK(parsed->solicited == advertisement.solicited);
    CHECK(parsed->override == advertisement.override);
  }
}

TEST_CASE("a solicited-node group has the last three bytes of the address")
{
  CHECK(solicited_node_multicast(address("2001:db8::12:3456")) == address("ff02::1:ff12:3456"));
}
