#include "gateway/ping_relays.hh"

#include "scenario/fake_guest.hh"
#include "scenario/fake_host.hh"

#include <cerrno>
#include <doctest/doctest.h>
#include <string>

namespace slirpstack {

namespace {

using namespace std::chrono_literals;

const IpAddress GUEST = IpAddress::parse("10.0.2.100").value();
const IpAddress GUEST6 = IpAddress::parse("fd00::100").value();
const IpAddress GATEWAY = IpAddress::parse("10.0.2.2").value();
const IpAddress A = IpAddress::parse("192.0.2.1").value();
const IpAddress B = IpAddress::parse("192.0.2.2").value();
const IpAddress A6 = IpAddress::parse("2001:db8::1").value();

std::string text_of(ByteView bytes)
{
  return {bytes.begin(), bytes.end()};
}

struct World
{
  explicit World(const PingRelays::Settings& settings = {}, std::size_t capacity = 100)
    : flows({}, capacity), relays(settings, {}, time, host, flows, sender, icmp, drops)
  {}

  void guest_pings(const IpAddress& to,
                   std::uint16_t identifier,
                   std::uint16_t sequence,
                   const std::string& text = "data")
  {
    IpHeader header;
    header.source = to.is_ipv4() ? GUEST : GUEST6;
    header.destination = to;
    header.hop_limit = 64;
    const ByteView data{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
    const IcmpEcho request{.identifier = identifier, .sequence = sequence, .data = data};
    relays.on_echo_request(header, request, flows.find(PingRelays::key_of(header, request)), {});
  }

  void advance(Duration duration)
  {
    time.now += duration;
    flows.expire(time.now);
    flows.bury();
  }

  FakeGuest guest;
  FakeHost host;
  EventTime time{TimePoint{} + 1h};
  DropCounters drops;
  FlowTable flows;
  GuestSender sender{guest};
  IcmpReporter icmp{guest, GATEWAY, IpAddress::parse("fd00::2").value()};
  PingRelays relays;
};

} // namespace

TEST_CASE("an echo comes back with identifier, sequence and data, one hop older")
{
  World world;
  world.guest_pings(A, 77, 3, "hello");
  const FakePing::Sent sent = world.host.ping(0).sent().at(0);
  CHECK(sent.to == A);
  CHECK(sent.sequence == 3);
  CHECK(sent.data == "hello");
  CHECK(sent.hop_limit == 63);
  world.host.ping(0).replies(A, 3, "hello", 52);
  const GuestReceived got = world.guest.take_one();
  CHECK(got.ip().source == A);
  CHECK(got.ip().destination == GUEST);
  CHECK(got.ip().hop_limit == 51);
  CHECK(got.echo().is_reply);
  CHECK(got.echo().identifier == 77);
  CHECK(got.echo().sequence == 3);
  CHECK(text_of(got.echo().data) == "hello");
  CHECK(got.checksum_is_right());
}

TEST_CASE("IPv6 echoes likewise")
{
  World world;
  world.guest_pings(A6, 77, 3);
  CHECK(world.host.ping(0).family() == Family::ipv6);
  world.host.ping(0).replies(A6, 3, "data", 1);
  const GuestReceived got = world.guest.take_one();
  CHECK(got.ip().hop_limit == 1);
  CHECK(got.echo().identifier == 77);
  CHECK(got.checksum_is_right());
}

TEST_CASE("one identifier has one socket, and each remote a flow")
{
  World world;
  world.guest_pings(A, 77, 1);
  world.guest_pings(B, 77, 1);
  world.guest_pings(A, 77, 2);
  CHECK(world.host.pings() == 1);
  CHECK(world.flows.size() == 2);
  world.guest_pings(A, 78, 1);
  CHECK(world.host.pings() == 2);
}

TEST_CASE("a reply that nobody asked for is dropped and counted")
{
  World world;
  world.guest_pings(A, 77, 1);
  world.host.ping(0).replies(B, 1, "data");
  CHECK(world.guest.received().empty());
  CHECK(world.drops.of(Drop::unsolicited) == 1);
}

TEST_CASE("a ping socket closes a minute after the last echo")
{
  World world;
  world.guest_pings(A, 77, 1);
  world.advance(59s);
  world.host.ping(0).replies(A, 1, "data");
  world.advance(59s);
  CHECK_FALSE(world.host.ping(0).closed());
  world.advance(1s);
  CHECK(world.host.ping(0).closed());
  CHECK(world.relays.mappings() == 0);
}

TEST_CASE("a router on the way that lets the request die is seen by traceroute")
{
  World world;
  world.guest_pings(A, 77, 3, "probe");
  HostError error = host_error(EHOSTUNREACH);
  const IpAddress router = IpAddress::parse("198.51.100.1").value();
  error.icmp = HostError::Icmp{.family = Family::ipv4, .type = 11, .code = 0, .offender = router};
  world.host.ping(0).fails(error, A, 3, "probe");
  const GuestReceived got = world.guest.take_one();
  CHECK(got.ip().source == router);
  CHECK(got.icmp_type_code() == std::pair(11, 0));
  const auto quoted = IpHeader::parse(got.icmp_quote());
  REQUIRE(quoted);
  const auto echo = IcmpEcho::parse(Family::ipv4, quoted->payload(got.icmp_quote()));
  REQUIRE(echo);
  CHECK(echo->identifier == 77);
  CHECK(echo->sequence == 3);
}

TEST_CASE("where ping sockets are not allowed the guest gets unreachable, never a reply")
{
  World world;
  world.host.refuses_to_open(host_error(EACCES));
  world.guest_pings(A, 77, 1);
  const GuestReceived got = world.guest.take_one();
  CHECK(got.ip().source == GATEWAY);
  CHECK(got.icmp_type_code() == std::pair(3, 13));
  CHECK(world.flows.size() == 0);
  CHECK(world.relays.mappings() == 0);
}

TEST_CASE("a request that the host cannot send is answered with the reason")
{
  World world;
  world.guest_pings(A, 77, 1);
  world.host.ping(0).refuses_to_send(host_error(ENETUNREACH));
  world.guest_pings(A, 77, 2);
  CHECK(world.guest.take_one().icmp_type_code() == std::pair(3, 0));
  world.host.ping(0).refuses_to_send(host_error(EAGAIN));
  world.guest_pings(A, 77, 3);
  CHECK(world.guest.received().empty());
  CHECK(world.drops.of(Drop::host_full) == 1);
}

TEST_CASE("the limit of sockets refuses new pings")
{
  PingRelays::Settings settings;
  settings.max_mappings = 1;
  World world(settings);
  world.guest_pings(A, 77, 1);
  world.guest_pings(A, 78, 1);
  CHECK(world.guest.take_one().icmp_type_code() == std::pair(3, 13));
  CHECK(world.drops.of(Drop::too_many_flows) == 1);
  world.guest_pings(B, 77, 1);
  CHECK(world.guest.received().empty());
}

TEST_CASE("an echo to the gateway itself is answered by it")
{
  World world;
  IpHeader header;
  header.source = GUEST;
  header.destination = GATEWAY;
  const std::vector<std::uint8_t> data(65507, 'x');
  answer_echo(world.sender, header, {.identifier = 5, .sequence = 6, .data = data});
  const auto fragments = world.guest.take();
  REQUIRE(fragments.size() > 1);
  CHECK(fragments[0].ip().source == GATEWAY);
  CHECK(fragments[0].ip().destination == GUEST);
  CHECK(fragments[0].ip().is_fragment());
}

} // namespace slirpstack
