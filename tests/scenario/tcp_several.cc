// Several guests in one process share lwIP.

#include "scenario/tcp_guest.hh"

#include <doctest/doctest.h>

namespace slirpstack {

using namespace std::chrono_literals;

TEST_CASE("two guests with the same addresses connect at once, and each gets its own bytes")
{
  World first_world;
  World second_world;
  TcpGuest first(first_world);
  TcpGuest second(second_world);
  first.sends(syn());
  second.sends(syn());
  second_world.host.stream(0).connects();
  first_world.host.stream(0).connects();
  first.expects(SYN_ACK);
  second.expects(SYN_ACK);
  first.sends(ack());
  second.sends(ack());
  first_world.host.stream(0).has("for the first");
  second_world.host.stream(0).has("for the second");
  CHECK(first.expects(ACK).data == "for the first");
  CHECK(second.expects(ACK).data == "for the second");
  first.expects_nothing();
  second.expects_nothing();
}

TEST_CASE("each guest's losses are made good at its own time, however busy the other's clock is")
{
  World first_world;
  World second_world;
  TcpGuest first(first_world);
  TcpGuest second(second_world);
  first.connects();
  second.connects();
  first.host().has("once");
  second.host().has("twice");
  first_world.loses_all();
  second_world.loses_all();
  for (int turn = 0; turn < 16; ++turn) { // their ticks take turns
    first_world.advance(100ms);
    second_world.advance(100ms);
  }
  CHECK(first.expects(ACK).data == "once");
  CHECK(second.expects(ACK).data == "twice");
  first.sends(ack());
  second.sends(ack());
  first_world.advance(100ms);
  second_world.advance(100ms);
  CHECK(first_world.gateway.next_deadline() > first_world.now() + 1h);
  CHECK(second_world.gateway.next_deadline() > second_world.now() + 1h);
}

TEST_CASE("port 0 is a port like any other for each of them")
{
  World first_world;
  World second_world;
  const Endpoint nowhere = endpoint("192.0.2.1", 0);
  TcpGuest second(second_world);
  second.connects();
  TcpGuest first(first_world, endpoint("10.0.2.100", 40000), nowhere);
  first.connects();
  TcpGuest third(second_world, endpoint("10.0.2.100", 40001), nowhere);
  third.connects();
  first.host().has("for the first");
  CHECK(first.expects(ACK).data == "for the first");
  third.host().has("for the third");
  CHECK(third.expects(ACK).data == "for the third");
}

TEST_CASE("a guest that goes leaves the others as they are")
{
  World staying_world;
  TcpGuest staying(staying_world);
  staying.connects();
  {
    World going_world;
    TcpGuest going(going_world);
    going.connects();
    going_world.gateway.close_all();
  }
  staying.host().has("still here");
  CHECK(staying.expects(ACK).data == "still here");
  World new_world;
  TcpGuest another(new_world);
  another.connects();
  another.host().has("welcome");
  CHECK(another.expects(ACK).data == "welcome");
}

} // namespace slirpstack
