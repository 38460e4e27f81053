#include "scenario/tcp_guest.hh"

#include <doctest/doctest.h>

namespace slirpstack {

using namespace std::chrono_literals;

TEST_CASE("an idle connection wakes nobody and is alive an hour later")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  world.advance(1s); // the last of the opening's timer
  CHECK(world.advance(1h) == 0);
  guest.expects_nothing();
  guest.host().has("still there?");
  CHECK(guest.expects(ACK).data == "still there?");
  guest.sends(data("yes"));
  CHECK(guest.host().sent() == "yes");
}

// RFC 5382 REQ-5: not before 2 hours and 4 minutes, and only after a look at both ends.
TEST_CASE("after the idle time the guest is asked, and one that answers is kept")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  world.advance(7439s);
  guest.expects_nothing();
  for (int i = 0; i < 3; ++i) {
    world.advance(2s);
    const auto probe = guest.expects_again(ACK);
    CHECK(probe.tcp.sequence == guest.heard - 1);
    guest.expects_nothing();
    guest.sends(ack());
    CHECK(world.advance(7438s) <= 1);
    guest.expects_nothing();
  }
  guest.sends(data("alive"));
  CHECK(guest.host().sent() == "alive");
}

TEST_CASE("a guest that no longer answers nine probes is closed")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  world.advance(7440s + 8 * 75s);
  CHECK(world.inbox().size() == 9);
  CHECK(world.gateway.flows().size() == 1);
  world.loses_all();
  world.advance(75s);
  CHECK(world.gateway.flows().size() == 0);
  CHECK(guest.host().was_reset());
}

TEST_CASE("a half-closed connection is asked as well")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  SUBCASE("by the host")
  {
    guest.host().eof();
    guest.expects(FIN_ACK);
    guest.sends(ack());
  }
  SUBCASE("by the guest")
  {
    guest.sends(fin());
    world.advance(1s);
    guest.expects(ACK);
  }
  world.advance(7441s);
  CHECK(guest.expects_again(ACK).tcp.sequence == guest.heard - 1);
  CHECK(world.gateway.flows().size() == 1);
}

TEST_CASE("a thousand established flows, half of them half-closed, need no timer")
{
  World world;
  std::vector<TcpGuest> guests;
  for (std::uint16_t port = 1; port <= 1000; ++port) {
    TcpGuest& guest = guests.emplace_back(world, endpoint("10.0.2.100", port));
    guest.connects();
    guest.sends(data("request"));
    guest.host().has("response");
    guest.expects(ACK);
    guest.sends(ack());
    if (port % 4 == 0) {
      guest.host().eof();
      guest.expects(FIN_ACK);
      guest.sends(ack());
    } else if (port % 4 == 1) {
      guest.sends(fin());
    }
    world.loses_all();
  }
  world.advance(1s); // delayed ACKs
  world.loses_all();
  CHECK(world.gateway.flows().size() == 1000);
  CHECK(world.gateway.stack().next_tick() == NEVER);
  CHECK(world.gateway.stack().ticking() == 0);
  CHECK(world.gateway.next_deadline() > world.now() + 1h);
  CHECK(world.advance(1h) == 0);
  CHECK(world.pool.used_bytes() == 0);
}

} // namespace slirpstack
