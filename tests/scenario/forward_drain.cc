// Forwards that are removed while they have flows.

#include "scenario/udp_forward.hh"

#include <doctest/doctest.h>

namespace slirpstack {

using namespace udp_forward;
using namespace std::chrono_literals;

TEST_CASE("a drained forward serves the clients that it has, and no others")
{
  World world;
  const auto forward = world.gateway.forwards().add(local(ForwardScheme::udp));
  FakeDatagrams& socket = world.host.datagrams(0);
  socket.receives(CLIENT, "1");
  next(world);
  CHECK(world.gateway.forwards().remove(forward.id, ForwardSet::Removal::drain));
  socket.receives(endpoint("198.51.100.8", 1), "stranger");
  world.expects_nothing();
  guest_sends(world, SERVICE, CLIENT, "answer");
  CHECK(socket.sent().size() == 1);
  CHECK_FALSE(socket.closed());
  world.advance(301s);
  CHECK(socket.closed());
}

TEST_CASE("a drained forward is listed until its last client has gone")
{
  World world;
  ForwardSet& forwards = world.gateway.forwards();
  const auto forward = forwards.add(local(ForwardScheme::udp));
  world.host.datagrams(0).receives(CLIENT, "1");
  CHECK_FALSE(forwards.list().at(0).draining);
  CHECK(forwards.remove(forward.id, ForwardSet::Removal::drain));
  world.settle();
  REQUIRE(forwards.list().size() == 1);
  CHECK(forwards.list()[0].draining);
  CHECK(forwards.list()[0].flows == 1);
  CHECK(forwards.list()[0].listening == std::vector<StreamAddress>{LOCAL});
  CHECK(forwards.size() == 0);
  CHECK_THROWS_AS(forwards.add(local(ForwardScheme::udp)), ForwardError);
  world.advance(301s);
  CHECK(forwards.list().empty());
}

TEST_CASE("a forward that drains can be ended, and its port is free at once")
{
  World world;
  ForwardSet& forwards = world.gateway.forwards();
  const auto forward = forwards.add(local(ForwardScheme::udp));
  world.host.datagrams(0).receives(CLIENT, "1");
  CHECK(forwards.remove(forward.id, ForwardSet::Removal::drain));
  CHECK(forwards.remove(forward.id, ForwardSet::Removal::drain));
  CHECK(forwards.remove(forward.id, ForwardSet::Removal::end));
  CHECK_FALSE(forwards.remove(forward.id, ForwardSet::Removal::end));
  CHECK(forwards.list().empty());
  CHECK(world.host.datagrams(0).closed());
  forwards.add(local(ForwardScheme::udp)); // in the same turn
  guest_sends(world, SERVICE, CLIENT, "late");
  CHECK(world.host.datagrams(0).sent().empty());
  world.host.datagrams(1).receives(CLIENT, "2");
  CHECK(world.gateway.flows().size() == 2); // and what the guest has sent by itself
}

TEST_CASE("a drained remote forward stands for nothing new, and is listed while it has flows")
{
  World world;
  ForwardSet& forwards = world.gateway.forwards();
  const auto forward = forwards.add(remote(ForwardScheme::udp));
  guest_sends(world, GUEST, MATCH, "1");
  CHECK(forwards.remove(forward.id, ForwardSet::Removal::drain));
  CHECK(forwards.list().at(0).draining);
  CHECK(forwards.list().at(0).matching == std::vector{MATCH});
  forwards.add(remote(ForwardScheme::udp)); // its place is free
  guest_sends(world, GUEST, MATCH, "2");
  CHECK(world.host.datagrams(0).sent().size() == 2);
  world.advance(301s);
  CHECK(forwards.list().size() == 1);
}

} // namespace slirpstack
