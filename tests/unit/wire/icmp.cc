#include "wire/icmp.hh"

#include "sample.hh"
#include "vectors.hh"

using namespace slirpstack;
using namespace sample;

TEST_CASE("an echo request is read, and written as the same bytes")
{
  for (const std::string_view vector : {vectors::IPV4_ECHO, vectors::IPV6_ECHO}) {
    CAPTURE(vector);
    const Bytes packet = hex(vector);
    const auto ip = IpHeader::parse(packet);
    REQUIRE(ip);
    const Bytes message = copy(ip->payload(packet));
    const auto echo = IcmpEcho::parse(ip->family(), message);
    REQUIRE(echo);
    CHECK_FALSE(echo->is_reply);
    CHECK(echo->identifier == 0x4242);
    CHECK(echo->sequence == 7);
    CHECK(copy(echo->data) == hex("6162636465666768"));
    CHECK(echo->length_bytes() == message.size());
    CHECK(written(*echo, ip->source, ip->destination) == message);
  }
}

TEST_CASE("other ICMP messages are not echoes")
{
  struct Case
  {
    Family family;
    std::string message;
    Drop reason;
  };
  const Case cases[] = {
    {Family::ipv4, "0300000000000000", Drop::unexpected_type},
    {Family::ipv4, "8000000000000000", Drop::unexpected_type},
    {Family::ipv6, "0800000000000000", Drop::unexpected_type},
    {Family::ipv6, "8700000000000000", Drop::unexpected_type},
    {Family::ipv4, "0801000000000000", Drop::bad_header},
    {Family::ipv6, "8101000000000000", Drop::bad_header},
  };
  for (const Case& each : cases) {
    CAPTURE(each.message);
    const auto echo = IcmpEcho::parse(each.family, hex(each.message));
    REQUIRE_FALSE(echo);
    CHECK(echo.drop() == each.reason);
  }
}

TEST_CASE("an echo cut in its header is truncated")
{
  every_truncation(hex("0800000042420007"), [](const Bytes& prefix) {
    const auto echo = IcmpEcho::parse(Family::ipv4, prefix);
    REQUIRE_FALSE(echo);
    CHECK(echo.drop() == Drop::truncated);
  });
}

TEST_CASE("random echoes come back as they went")
{
  Random random;
  for (int round = 0; round < 500; ++round) {
    CAPTURE(round);
    const Family family = random.coin() ? Family::ipv4 : Family::ipv6;
    const Bytes data = random.bytes(random.below(300));
    const IcmpEcho echo{
      random.coin(), random.next<std::uint16_t>(), random.next<std::uint16_t>(), data};
    const Bytes message = written(echo, random.address(family), random.address(family));
    const auto parsed = IcmpEcho::parse(family, message);
    REQUIRE(parsed);
    CHECK(parsed->is_reply == echo.is_reply);
    CHECK(parsed->identifier == echo.identifier);
    CHECK(parsed->sequence == echo.sequence);
    CHECK(copy(parsed->data) == data);
  }
}
