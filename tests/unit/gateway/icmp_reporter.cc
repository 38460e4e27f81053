#include "gateway/icmp_reporter.hh"

#include "scenario/fake_guest.hh"
#include "scenario/fake_host.hh"

#include <cerrno>
#include <doctest/doctest.h>
#include <vector>

namespace slirpstack {

namespace {

const IpAddress GATEWAY4 = IpAddress::parse("10.0.2.2").value();
const IpAddress GATEWAY6 = IpAddress::parse("fd00::2").value();
const Endpoint GUEST4{IpAddress::parse("10.0.2.100").value(), 4000};
const Endpoint GUEST6{IpAddress::parse("fd00::100").value(), 4000};
const Endpoint REMOTE4{IpAddress::parse("192.0.2.1").value(), 7};
const Endpoint REMOTE6{IpAddress::parse("2001:db8::1").value(), 7};
const std::vector<std::uint8_t> DATA(100, 'x');

struct World
{
  FakeGuest guest;
  IcmpReporter icmp{guest, GATEWAY4, GATEWAY6};
};

HostError reported(Family family, std::uint8_t type, std::uint8_t code, const char* offender)
{
  HostError error = host_error(EHOSTUNREACH);
  error.icmp = HostError::Icmp{
    .family = family, .type = type, .code = code, .offender = IpAddress::parse(offender)};
  return error;
}

} // namespace

TEST_CASE("an error of the host's own comes from the gateway and quotes the datagram")
{
  World world;
  world.icmp.report_udp(host_error(ENETUNREACH), GUEST4, REMOTE4, DATA);
  const GuestReceived got = world.guest.take_one();
  CHECK(got.ip().source == GATEWAY4);
  CHECK(got.ip().destination == GUEST4.address);
  CHECK(got.icmp_type_code() == std::pair(3, 0));
  CHECK(got.checksum_is_right());
  const auto quoted = IpHeader::parse(got.icmp_quote());
  REQUIRE(quoted);
  CHECK(quoted->source == GUEST4.address);
  CHECK(quoted->destination == REMOTE4.address);
  CHECK(quoted->total_length_bytes == 128);
  CHECK(verify_transport_checksum(*quoted, quoted->payload(got.icmp_quote())));
  const auto udp = UdpHeader::parse(quoted->payload(got.icmp_quote()));
  REQUIRE(udp);
  CHECK(udp->source_port == 4000);
  CHECK(udp->destination_port == 7);
}

TEST_CASE("an IPv6 datagram is answered from the IPv6 gateway")
{
  World world;
  world.icmp.report_udp(host_error(ENETUNREACH), GUEST6, REMOTE6, DATA);
  const GuestReceived got = world.guest.take_one();
  CHECK(got.ip().source == GATEWAY6);
  CHECK(got.icmp_type_code() == std::pair(1, 0));
  CHECK(got.checksum_is_right());
}

TEST_CASE("a router's message is passed on in its name, type and code unchanged")
{
  World world;
  world.icmp.report_udp(reported(Family::ipv4, 11, 0, "198.51.100.9"), GUEST4, REMOTE4, DATA);
  GuestReceived got = world.guest.take_one();
  CHECK(got.ip().source == IpAddress::parse("198.51.100.9").value());
  CHECK(got.icmp_type_code() == std::pair(11, 0));
  world.icmp.report_udp(reported(Family::ipv6, 1, 6, "2001:db8::9"), GUEST6, REMOTE6, DATA);
  got = world.guest.take_one();
  CHECK(got.ip().source == IpAddress::parse("2001:db8::9").value());
  CHECK(got.icmp_type_code() == std::pair(1, 6));
}

TEST_CASE("a message of the other family becomes the fitting one, from the gateway")
{
  World world;
  world.icmp.report_udp(reported(Family::ipv4, 3, 3, "198.51.100.9"), GUEST6, REMOTE6, DATA);
  const GuestReceived got = world.guest.take_one();
  CHECK(got.ip().source == GATEWAY6);
  CHECK(got.icmp_type_code() == std::pair(1, 4));
}

TEST_CASE("a path's MTU is told, and guessed downward where nobody told it")
{
  World world;
  HostError too_big = reported(Family::ipv4, 3, 4, "198.51.100.9");
  too_big.icmp->mtu_bytes = 1400;
  world.icmp.report_udp(too_big, GUEST4, REMOTE4, DATA);
  CHECK(world.guest.take_one().icmp_rest() == 1400);
  const std::vector<std::uint8_t> large(1800, 'x');
  world.icmp.report_udp(host_error(EMSGSIZE), GUEST4, REMOTE4, large);
  CHECK(world.guest.take_one().icmp_rest() == 1492);
  world.icmp.report_udp(host_error(EMSGSIZE), GUEST6, REMOTE6, DATA);
  CHECK(world.guest.take_one().icmp_rest() == 1280);
}

TEST_CASE("a large datagram is quoted in part but with its true length")
{
  World world;
  const std::vector<std::uint8_t> huge(65507, 'x');
  world.icmp.report_udp(host_error(EMSGSIZE), GUEST4, REMOTE4, huge);
  const GuestReceived got = world.guest.take_one();
  CHECK(got.bytes.size() == IPV4_MINIMUM_REASSEMBLY_BYTES);
  Reader quote(got.icmp_quote());
  quote.skip(2);
  CHECK(quote.u16() == 65535);
  CHECK(got.icmp_rest() == 32000);
}

TEST_CASE("an echo request is quoted with the guest's identifier")
{
  World world;
  const IcmpEcho request{.identifier = 77, .sequence = 3, .data = DATA};
  world.icmp.report_echo(
    reported(Family::ipv4, 11, 0, "198.51.100.9"), GUEST4.address, REMOTE4.address, request);
  const GuestReceived got = world.guest.take_one();
  const auto quoted = IpHeader::parse(got.icmp_quote());
  REQUIRE(quoted);
  CHECK(verify_transport_checksum(*quoted, quoted->payload(got.icmp_quote())));
  const auto echo = IcmpEcho::parse(Family::ipv4, quoted->payload(got.icmp_quote()));
  REQUIRE(echo);
  CHECK_FALSE(echo->is_reply);
  CHECK(echo->identifier == 77);
  CHECK(echo->sequence == 3);
}

TEST_CASE("what was sent to a multicast address is never answered")
{
  World world;
  const Endpoint group{IpAddress::parse("224.0.0.251").value(), 5353};
  world.icmp.report_udp(host_error(ENETUNREACH), GUEST4, group, DATA);
  CHECK(world.guest.received().empty());
}

TEST_CASE("an original that cannot be read is not answered")
{
  World world;
  const std::vector<std::uint8_t> noise{0x45, 0, 0};
  world.icmp.report(IcmpErrorKind::port_unreachable, 0, noise);
  world.icmp.report(host_error(ENETUNREACH), noise);
  CHECK(world.guest.received().empty());
}

} // namespace slirpstack
