#include "scenario/tcp_guest.hh"

#include <cerrno>
#include <doctest/doctest.h>

namespace slirpstack {

using namespace std::chrono_literals;

namespace {

const Endpoint GUEST6 = endpoint("fd00::100", 40000);
const Endpoint SERVER6 = endpoint("2001:db8::1", 80);

HostError from_router(int errno_value, std::uint8_t type, std::uint8_t code)
{
  HostError error = host_error(errno_value);
  error.icmp = {.type = type, .code = code, .offender = IpAddress::parse("198.51.100.1").value()};
  return error;
}

} // namespace

TEST_CASE("a refused connection is reset at once")
{
  World world;
  TcpGuest guest(world);
  guest.sends(syn());
  world.host.stream(0).fails(host_error(ECONNREFUSED));
  CHECK(guest.expects(RST_ACK).tcp.acknowledgment == TcpGuest::ISS + 1);
  guest.expects_nothing();
  CHECK(world.gateway.flows().size() == 0);
}

TEST_CASE("an unreachable destination is told by an ICMP error that quotes the SYN")
{
  World world;
  TcpGuest guest(world);
  const auto opening = guest.packet(syn());
  guest.sends(syn());
  SUBCASE("by the host itself")
  {
    world.host.stream(0).fails(host_error(EHOSTUNREACH));
    CHECK(world.inbox().front().ip().source == IpAddress::parse("10.0.2.2").value());
  }
  SUBCASE("by a router, in its name")
  {
    world.host.stream(0).fails(from_router(EHOSTUNREACH, 3, 1));
    CHECK(world.inbox().front().ip().source == IpAddress::parse("198.51.100.1").value());
  }
  SUBCASE("by silence")
  {
    world.host.stream(0).fails(host_error(ETIMEDOUT));
  }
  const auto error = world.expects_icmp(3, 1);
  const ByteView quote = error.icmp_quote();
  CHECK(std::vector<std::uint8_t>(quote.begin(), quote.end()) == opening);
  CHECK(world.gateway.flows().size() == 0);
}

TEST_CASE("a failure that connect() knows at once is answered at once")
{
  World world;
  world.host.refuses_to_open(host_error(ENETUNREACH));
  SUBCASE("IPv4")
  {
    TcpGuest(world).sends(syn());
    world.expects_icmp(3, 0);
  }
  SUBCASE("a host without IPv6")
  {
    TcpGuest(world, GUEST6, SERVER6).sends(syn());
    world.expects_icmp(1, 0);
  }
  SUBCASE("no descriptors left")
  {
    world.host.refuses_to_open(host_error(EMFILE));
    TcpGuest guest(world);
    guest.sends(syn());
    guest.expects(RST_ACK);
  }
  CHECK(world.gateway.flows().size() == 0);
}

TEST_CASE("an unreachable destination is told of a SYN with data as well")
{
  World world;
  TcpGuest guest(world);
  guest.sends(syn().carrying("early"));
  world.host.stream(0).fails(host_error(EHOSTUNREACH));
  const auto error = world.expects_icmp(3, 1);
  const auto quoted = IpHeader::parse(error.icmp_quote());
  REQUIRE(quoted);
  CHECK(TcpHeader::parse(quoted->payload(error.icmp_quote()))->sequence == TcpGuest::ISS);
}

TEST_CASE("a host that never answers ends after the transitory time")
{
  World world;
  TcpGuest guest(world);
  guest.sends(syn());
  world.advance(239s);
  guest.expects_nothing();
  world.advance(1s);
  world.expects_icmp(3, 1);
  CHECK(world.host.stream(0).closed());
  CHECK(world.gateway.flows().size() == 0);
}

TEST_CASE("a connection that opens and one that closes have times of their own")
{
  Gateway::Settings settings = World::settings();
  settings.tcp.opening = 10s;
  settings.tcp.closing = 20s;
  World world(settings);
  TcpGuest guest(world);
  guest.sends(syn());
  world.advance(9s);
  guest.expects_nothing();
  world.advance(1s);
  world.expects_icmp(3, 1);
  TcpGuest closing(world, endpoint("10.0.2.100", 40001));
  closing.connects();
  closing.sends(fin());
  closing.host().eof(); // of which the guest hears nothing
  world.advance(19s);
  CHECK(world.gateway.flows().size() == 1);
  world.advance(2s);
  CHECK(world.gateway.flows().size() == 0);
  world.loses_all();
}

TEST_CASE("what policy denies is refused without a socket")
{
  struct Case
  {
    const char* destination;
    int code;
  };
  for (const Case& denied : {Case{"203.0.113.9", 13}, // the host's network
                             Case{"169.254.169.254", 13},
                             Case{"127.0.0.1", 13},
                             Case{"10.0.2.77", 1}}) { // nobody there
    CAPTURE(denied.destination);
    World world;
    TcpGuest guest(world, endpoint("10.0.2.100", 40000), endpoint(denied.destination, 80));
    guest.sends(syn());
    world.expects_icmp(3, denied.code);
    guest.expects_nothing();
    CHECK(world.host.streams() == 0);
    CHECK(world.gateway.drops().of(Drop::denied) == 1);
  }
  World world;
  TcpGuest guest(world, GUEST6, endpoint("::ffff:127.0.0.1", 80));
  guest.sends(syn());
  world.expects_icmp(1, 1);
}

// Whatever came after it would pile up where the memory ceiling does not see it.
TEST_CASE("who goes on after a broken query to dead resolvers is reset")
{
  World world;
  TcpGuest dns(world, endpoint("10.0.2.100", 40001), endpoint("10.0.2.3", 53));
  dns.sends(syn());
  world.host.stream(0).fails(host_error(ECONNREFUSED));
  world.settle();
  dns.expects(SYN_ACK);
  dns.sends(ack());
  dns.sends(data(std::string("\0\1x", 3)));
  dns.expects(FIN_ACK);
  dns.sends(ack());
  dns.sends(data("and on"));
  dns.expects(ACK);
  dns.expects(RST_ACK);
  CHECK(world.gateway.flows().size() == 0);
}

TEST_CASE("the gateway itself refuses TCP, but for DNS")
{
  World world;
  TcpGuest web(world, endpoint("10.0.2.100", 40000), endpoint("10.0.2.2", 80));
  web.sends(syn());
  web.expects(RST_ACK);

  TcpGuest dns(world, endpoint("10.0.2.100", 40001), endpoint("10.0.2.3", 53));
  dns.connects();
  CHECK(world.host.stream(0).to() == endpoint("198.51.100.53", 53));
  dns.host().has("answer");
  CHECK(dns.expects(ACK).data == "answer");
}

TEST_CASE("a guest that resets while the host connects cancels that")
{
  World world;
  TcpGuest guest(world);
  guest.sends(syn());
  guest.sends(rst());
  CHECK(world.host.stream(0).closed());
  CHECK(world.gateway.flows().size() == 0);
  guest.expects_nothing();
}

TEST_CASE("a reset of the host becomes a reset for the guest")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  world.host.stream(0).resets();
  CHECK(guest.expects(RST_ACK).tcp.sequence == guest.heard);
  CHECK(world.gateway.flows().size() == 0);
}

TEST_CASE("a reset of the guest becomes a reset for the host")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.sends(rst());
  CHECK(guest.host().was_reset());
  CHECK(world.gateway.flows().size() == 0);
  guest.expects_nothing();
}

TEST_CASE("a guest's ICMP error about an open connection does not end it")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.host().has("a segment");
  world.settle();
  const GuestReceived segment = world.inbox().front();
  const IpAddress itself = endpoint("10.0.2.100", 0).address;
  for (const IcmpErrorKind kind :
       {IcmpErrorKind::port_unreachable, IcmpErrorKind::administratively_prohibited}) {
    world.guest_sends(icmp_error(kind, 0, itself, segment.bytes).bytes());
  }
  world.settle();
  CHECK_FALSE(guest.host().was_reset());
  CHECK(world.gateway.flows().size() == 1);
  CHECK(world.gateway.drops().of(Drop::unsolicited) == 0);
}

TEST_CASE("a segment without a flow is reset, a reset without a flow is not")
{
  World world;
  TcpGuest guest(world);
  guest.sends(data("hello?"));
  CHECK(guest.expects(RST).tcp.sequence == 0);
  guest.sends(rst());
  guest.expects_nothing();
}

TEST_CASE("more flows than allowed are refused with a count, and there is room again later")
{
  Gateway::Settings settings = World::settings();
  settings.max_flows = 100;
  World world(settings);
  for (std::uint16_t port = 1; port <= 300; ++port) {
    TcpGuest(world, endpoint("10.0.2.100", port)).sends(syn());
  }
  CHECK(world.host.streams() == 100);
  CHECK(world.inbox().size() == 200);
  CHECK(world.gateway.refused_for_limit() == 200);
  CHECK(world.gateway.drops().of(Drop::too_many_flows) == 200);
  world.loses_all();
  world.advance(240s); // nobody answered
  CHECK(world.gateway.flows().size() == 0);
  world.loses_all();
  TcpGuest late(world, endpoint("10.0.2.100", 1000));
  late.connects();
}

TEST_CASE("flows that only wait out their end make room for new ones")
{
  Gateway::Settings settings = World::settings();
  settings.max_flows = 1;
  World world(settings);
  TcpGuest first(world);
  first.connects();
  first.host().eof();
  first.expects(FIN_ACK);
  first.sends(fin()); // and now TIME_WAIT
  world.loses_all();
  TcpGuest second(world, endpoint("10.0.2.100", 40001));
  second.connects();
  CHECK(world.gateway.refused_for_limit() == 0);
}

} // namespace slirpstack
