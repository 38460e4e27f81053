#include "scenario/tcp_guest.hh"

#include <doctest/doctest.h>

namespace slirpstack {

using namespace std::chrono_literals;

TEST_CASE("the SYN is parked until the host has connected")
{
  World world;
  TcpGuest guest(world);
  guest.sends(syn());
  guest.expects_nothing();
  REQUIRE(world.host.streams() == 1);
  CHECK(world.host.stream(0).to() == endpoint("192.0.2.1", 80));
  CHECK(int{world.host.stream(0).options().hop_limit} == 63);

  world.host.stream(0).connects();
  const auto answer = guest.expects(SYN_ACK);
  CHECK(answer.tcp.acknowledgment == TcpGuest::ISS + 1);
  CHECK(answer.tcp.maximum_segment_size.value() >= 1460);
  CHECK(int{answer.tcp.window_scale.value()} == 8);
  CHECK(answer.tcp.has_sack_permitted);
}

TEST_CASE("a retransmitted SYN joins the pending flow")
{
  World world;
  TcpGuest guest(world);
  guest.sends(syn());
  guest.sends(syn().at(TcpGuest::ISS));
  CHECK(world.host.streams() == 1);
  CHECK(world.gateway.flows().size() == 1);
  world.host.stream(0).connects();
  guest.expects(SYN_ACK);
  guest.expects_nothing();
}

TEST_CASE("a guest without options gets none that it did not offer")
{
  World world;
  TcpGuest guest(world);
  guest.sends(plain_syn());
  world.host.stream(0).connects();
  const auto answer = guest.expects(SYN_ACK);
  CHECK_FALSE(answer.tcp.window_scale);
  CHECK_FALSE(answer.tcp.has_sack_permitted);
}

TEST_CASE("bytes go both ways, IPv4 and IPv6")
{
  struct Case
  {
    Endpoint here;
    Endpoint there;
  };
  for (const Case& endpoints : {Case{endpoint("10.0.2.100", 40000), endpoint("192.0.2.1", 80)},
                                Case{endpoint("fd00::100", 40000), endpoint("2001:db8::1", 80)}}) {
    CAPTURE(endpoints.there.to_string());
    World world;
    TcpGuest guest(world, endpoints.here, endpoints.there);
    guest.connects();
    guest.sends(data("GET"));
    CHECK(guest.host().sent() == "GET");
    guest.host().has("here you are");
    const auto answer = guest.expects(ACK);
    CHECK(answer.data == "here you are");
    CHECK(answer.tcp.acknowledgment == guest.next);
    guest.sends(ack());
    guest.expects_nothing();
  }
}

TEST_CASE("a large answer comes in super-segments cut at the guest's MSS")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  const std::string text = pattern(300000);
  guest.host().has(text);
  const auto first = guest.expects(ACK);
  CHECK(first.packet.segment_size_bytes == 1460);
  CHECK(first.data.size() % 1460 == 0);
  CHECK(first.data.size() > 60000);
  guest.sends(ack());
  CHECK(first.data + guest.receives(text.size() - first.data.size()) == text);
}

TEST_CASE("a link that does not cut gets single segments")
{
  World world;
  world.link.set_cuts_tcp(false);
  TcpGuest guest(world);
  guest.connects();
  guest.host().has(pattern(5000));
  const auto first = guest.expects(ACK);
  CHECK(first.packet.segment_size_bytes == 0);
  CHECK(first.data.size() == 1460);
  CHECK(first.data + guest.receives(5000 - 1460) == pattern(5000));
}

TEST_CASE("a super-segment of the guest reaches the host whole")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.sends(data(pattern(60000)));
  CHECK(guest.host().sent() == pattern(60000));
}

TEST_CASE("data on a SYN is left for the guest to send again")
{
  World world;
  TcpGuest guest(world);
  guest.sends(syn().carrying("early").at(TcpGuest::ISS));
  guest.next = TcpGuest::ISS + 1;
  world.host.stream(0).connects();
  CHECK(guest.expects(SYN_ACK).tcp.acknowledgment == TcpGuest::ISS + 1);
  guest.sends(ack());
  guest.sends(data("early"));
  CHECK(world.host.stream(0).sent() == "early");
}

TEST_CASE("a lost SYN-ACK is sent again")
{
  World world;
  TcpGuest guest(world);
  guest.sends(syn());
  world.host.stream(0).connects();
  world.loses_all();
  world.advance(1100ms);
  guest.expects(SYN_ACK);
  guest.sends(ack());
  guest.sends(data("at last"));
  CHECK(world.host.stream(0).sent() == "at last");
}

TEST_CASE("a guest that never answers the SYN-ACK is given up")
{
  World world;
  TcpGuest guest(world);
  guest.sends(syn());
  world.host.stream(0).connects();
  world.advance(30s);
  CHECK(world.gateway.flows().size() == 0);
  CHECK(world.host.stream(0).was_reset());
}

// RFC 6528: by clock and secret. A guest that reuses a name gets a larger number, so that an old
// segment is not mistaken for a new one.
TEST_CASE("initial sequence numbers grow with the clock and differ between names")
{
  World world;
  const auto first_number = [&](std::uint16_t port) {
    TcpGuest guest(world, endpoint("10.0.2.100", port));
    guest.connects();
    const std::uint32_t number = guest.heard;
    guest.sends(rst());
    return number;
  };
  const std::uint32_t first = first_number(40000);
  world.advance(1s);
  CHECK(first_number(40000) - first == 250000); // a step is four microseconds
  CHECK(first_number(40001) != first_number(40000) + 1);
}

} // namespace slirpstack
