// UDP from the guest to services of the host (-R).

#include "scenario/udp_forward.hh"

#include <cerrno>
#include <doctest/doctest.h>

namespace slirpstack {

using namespace udp_forward;

TEST_CASE("the guest reaches a service of the host under an address of its own world")
{
  World world;
  world.gateway.forwards().add(remote(ForwardScheme::udp));
  guest_sends(world, GUEST, MATCH, "question");
  FakeDatagrams& socket = world.host.datagrams(0);
  CHECK(socket.sent().at(0).to == TARGET);
  socket.receives(TARGET, "answer");
  const GuestReceived got = next(world);
  CHECK(got.udp_from() == MATCH);
  CHECK(got.udp_to() == GUEST);
  socket.receives(endpoint("127.0.0.1", 54), "a stranger's");
  world.expects_nothing();
}

TEST_CASE("remote udprpc ends with the first answer, remote udpspp has the header both ways")
{
  World world;
  const auto rpc = world.gateway.forwards().add(remote(ForwardScheme::udprpc));
  guest_sends(world, GUEST, MATCH, "question");
  world.host.datagrams(0).receives(TARGET, "answer");
  CHECK(text_of(next(world).udp_data()) == "answer");
  CHECK(world.gateway.flows().size() == 0);
  CHECK(world.gateway.forwards().remove(rpc.id, ForwardSet::Removal::end));

  world.gateway.forwards().add(remote(ForwardScheme::udpspp));
  guest_sends(world, GUEST, MATCH, "question");
  CHECK(world.host.datagrams(1).sent().at(0).payload == spp(GUEST, MATCH, "question"));
  world.host.datagrams(1).receives(TARGET, spp(GUEST, MATCH, "answer"));
  CHECK(text_of(next(world).udp_data()) == "answer");
}

TEST_CASE("a named target is looked up for the flow; what comes meanwhile waits")
{
  World world;
  world.gateway.forwards().add(
    remote(ForwardScheme::udp, {NamedTarget{{.name = "dns.example", .server = {}}, 53}}));
  guest_sends(world, GUEST, MATCH, "1");
  guest_sends(world, GUEST, MATCH, "2");
  CHECK(world.host.datagram_sockets() == 0);
  CHECK(world.names.answers("dns.example", {.addresses = {TARGET.address}}) == 1);
  world.settle();
  REQUIRE(world.host.datagrams(0).sent().size() >= 1);
  guest_sends(world, GUEST, MATCH, "3");
  world.host.datagrams(0).receives(TARGET, "answer");
  CHECK(text_of(next(world).udp_data()) == "answer");
}

TEST_CASE("a name without an address is unreachable")
{
  World world;
  world.gateway.forwards().add(
    remote(ForwardScheme::udp, {NamedTarget{{.name = "dns.example", .server = {}}, 53}}));
  guest_sends(world, GUEST, MATCH, "1");
  world.names.answers("dns.example", {.error = "lookup dns.example: no such host"});
  world.settle();
  CHECK(next(world).icmp_type_code() == std::pair(3, 1));
  CHECK(world.gateway.flows().size() == 0);
}

TEST_CASE("a dead target makes way for the next")
{
  World world;
  const Endpoint second = endpoint("127.0.0.1", 54);
  world.gateway.forwards().add(remote(ForwardScheme::udp, {TARGET, second}));
  guest_sends(world, GUEST, MATCH, "1");
  world.host.datagrams(0).fails(host_error(ECONNREFUSED), TARGET, "1");
  guest_sends(world, GUEST, MATCH, "2");
  CHECK(world.host.datagrams(1).sent().at(0).to == second);
  world.host.datagrams(1).fails(host_error(ECONNREFUSED), second, "2");
  CHECK(next(world).icmp_type_code() == std::pair(3, 3));
}

TEST_CASE("an error that may pass moves no flow to the next target, nor does one after an answer")
{
  World world;
  world.gateway.forwards().add(remote(ForwardScheme::udp, {TARGET, endpoint("127.0.0.1", 54)}));
  guest_sends(world, GUEST, MATCH, "1");
  FakeDatagrams& socket = world.host.datagrams(0);
  socket.fails(host_error(EHOSTUNREACH), TARGET, "1");
  CHECK(next(world).icmp_type_code() == std::pair(3, 1));
  socket.receives(TARGET, "answer");
  CHECK(text_of(next(world).udp_data()) == "answer");
  socket.fails(host_error(ECONNREFUSED), TARGET, "1");
  CHECK(next(world).icmp_type_code() == std::pair(3, 3));
  guest_sends(world, GUEST, MATCH, "2");
  CHECK(world.host.datagram_sockets() == 1);
  CHECK(socket.sent().size() == 2);
}

} // namespace slirpstack
