// UDP from clients of the host to services of the guest (-L).

#include "scenario/udp_forward.hh"

#include <cerrno>
#include <doctest/doctest.h>

namespace slirpstack {

using namespace udp_forward;
using namespace std::chrono_literals;

TEST_CASE("a client's datagrams reach the guest, answers leave from the address it had asked")
{
  World world;
  world.gateway.forwards().add(local(ForwardScheme::udp));
  FakeDatagrams& socket = world.host.datagrams(0);
  socket.receives({{CLIENT, "question", 0, LOCAL.address}});
  const GuestReceived got = next(world);
  CHECK(got.udp_from() == CLIENT);
  CHECK(got.udp_to() == SERVICE);
  CHECK(text_of(got.udp_data()) == "question");
  guest_sends(world, SERVICE, CLIENT, "answer");
  REQUIRE(socket.sent().size() == 1);
  CHECK(socket.sent()[0].to == CLIENT);
  CHECK(socket.sent()[0].payload == "answer");
  CHECK(socket.sent()[0].source == LOCAL.address);
  guest_sends(world, SERVICE, CLIENT, "one more");
  CHECK(socket.sent().size() == 2);
}

TEST_CASE("a client that asks two addresses of the host is answered from each")
{
  World world;
  world.gateway.forwards().add(local(ForwardScheme::udp));
  FakeDatagrams& socket = world.host.datagrams(0);
  const IpAddress second = endpoint("203.0.113.2", 0).address;
  socket.receives({{CLIENT, "1", 0, LOCAL.address}, {CLIENT, "2", 0, second}});
  const GuestReceived to_first = next(world);
  const GuestReceived to_second = next(world);
  REQUIRE(to_first.udp_from() != to_second.udp_from());
  guest_sends(world, SERVICE, to_second.udp_from(), "second");
  guest_sends(world, SERVICE, to_first.udp_from(), "first");
  REQUIRE(socket.sent().size() == 2);
  CHECK(socket.sent()[0].source == second);
  CHECK(socket.sent()[1].source == LOCAL.address);
  socket.fails(host_error(ECONNREFUSED), CLIENT, "first");
  CHECK(world.gateway.flows().size() == 0);
}

TEST_CASE("a link-local client is answered through the link that it is on")
{
  World world;
  const Endpoint bind = endpoint("::", 5300);
  world.gateway.forwards().add(local(ForwardScheme::udp, bind));
  FakeDatagrams& socket = world.host.datagrams(0);
  const Endpoint client = endpoint("fe80::7", 51000);
  const IpAddress ours = endpoint("fe80::1", 0).address;
  // The same address on two links: two clients.
  socket.receives({{client, "1", 0, ours, 3}, {client, "2", 0, ours, 4}});
  const GuestReceived on_one = next(world);
  const GuestReceived on_other = next(world);
  REQUIRE(on_one.udp_from() != on_other.udp_from());
  guest_sends(world, SERVICE, on_other.udp_from(), "other");
  guest_sends(world, SERVICE, on_one.udp_from(), "one");
  REQUIRE(socket.sent().size() == 2);
  CHECK(socket.sent()[0].payload == "other");
  CHECK(socket.sent()[0].interface_index == 4);
  CHECK(socket.sent()[1].interface_index == 3);
}

TEST_CASE("a wildcard listens in both families, on one port")
{
  World world;
  world.gateway.forwards().add(local(ForwardScheme::udp, endpoint("0.0.0.0", 5300)));
  REQUIRE(world.host.datagram_sockets() == 2);
  CHECK(world.host.datagrams(0).family() == Family::ipv6);
  CHECK(world.host.datagrams(1).family() == Family::ipv4);
}

TEST_CASE("udprpc ends with the first answer")
{
  World world;
  world.gateway.forwards().add(local(ForwardScheme::udprpc));
  world.host.datagrams(0).receives(CLIENT, "question");
  next(world);
  guest_sends(world, SERVICE, CLIENT, "answer");
  CHECK(world.host.datagrams(0).sent().size() == 1);
  CHECK(world.gateway.flows().size() == 0);
}

TEST_CASE("the Simple Proxy header names the client, and goes before each answer")
{
  World world;
  world.gateway.forwards().add(local(ForwardScheme::udpspp));
  FakeDatagrams& socket = world.host.datagrams(0);
  const Endpoint real = endpoint("192.0.2.77", 777);
  socket.receives(CLIENT, spp(real, LOCAL, "question"));
  const GuestReceived got = next(world);
  CHECK(got.udp_from() == real);
  CHECK(text_of(got.udp_data()) == "question");
  guest_sends(world, SERVICE, real, "answer");
  CHECK(socket.sent().at(0).to == CLIENT);
  CHECK(socket.sent().at(0).payload == spp(real, LOCAL, "answer"));
  socket.receives(endpoint("198.51.100.8", 1), "no header");
  world.expects_nothing();
}

TEST_CASE("a client's flow ends after its time, and by the guest's port unreachable")
{
  World world;
  world.gateway.forwards().add(local(ForwardScheme::udp));
  world.host.datagrams(0).receives(CLIENT, "1");
  const GuestReceived got = next(world);
  world.advance(301s);
  CHECK(world.gateway.flows().size() == 0);
  world.host.datagrams(0).receives(CLIENT, "2");
  CHECK(world.gateway.flows().size() == 1);
  world.guest_sends(
    icmp_error(IcmpErrorKind::port_unreachable, 0, SERVICE.address, next(world).bytes).bytes());
  CHECK(world.gateway.flows().size() == 0);
}

TEST_CASE("an error that may pass does not end a client's flow")
{
  World world;
  world.gateway.forwards().add(local(ForwardScheme::udp));
  FakeDatagrams& socket = world.host.datagrams(0);
  socket.receives(CLIENT, "1");
  socket.fails(host_error(EHOSTUNREACH), CLIENT, "1");
  CHECK(world.gateway.flows().size() == 1);
}

TEST_CASE("a late complaint about one target leaves the next on the same address in use")
{
  World world;
  const Endpoint second = endpoint("10.0.2.100", 54);
  ForwardPlan plan = local(ForwardScheme::udp);
  plan.local[0].targets = {SERVICE, second};
  world.gateway.forwards().add(plan);
  FakeDatagrams& socket = world.host.datagrams(0);
  socket.receives(CLIENT, "1");
  socket.receives(endpoint("198.51.100.8", 1), "2");
  for (int complaint = 0; complaint < 2; ++complaint) {
    const GuestReceived asked = next(world);
    CHECK(asked.udp_to() == SERVICE);
    world.guest_sends(
      icmp_error(IcmpErrorKind::port_unreachable, 0, SERVICE.address, asked.bytes).bytes());
  }
  socket.receives(CLIENT, "3");
  CHECK(next(world).udp_to() == second);
}

namespace {

/// A client that does not exist, one of many.
Endpoint spoofed(std::uint32_t number)
{
  return {IpAddress::ipv4(0xc6120000U + number), 1000}; // 198.18.0.0/15, RFC 2544
}

} // namespace

TEST_CASE("clients of UDP forwards take a quarter of the flows, and the guest has the rest")
{
  Gateway::Settings settings = World::settings();
  settings.max_flows = 40;
  World world(settings);
  world.gateway.forwards().add(local(ForwardScheme::udp));
  FakeDatagrams& socket = world.host.datagrams(0);
  for (std::uint32_t i = 0; i < 100; ++i) {
    socket.receives(spoofed(i), "flood");
  }
  CHECK(world.gateway.flows().size() == 10);
  CHECK(world.gateway.drops().of(Drop::too_many_clients) == 90);
  CHECK(world.gateway.refused_for_limit() == 90);
  for (std::uint16_t i = 0; i < 30; ++i) {
    guest_sends(world, {GUEST.address, std::uint16_t(4000 + i)}, endpoint("192.0.2.1", 9), "x");
  }
  CHECK(world.gateway.flows().size() == 40);
}

TEST_CASE("at the bound, who has been silent for long makes room for a new client")
{
  Gateway::Settings settings = World::settings();
  settings.max_flows = 8;
  World world(settings);
  world.gateway.forwards().add(local(ForwardScheme::udp));
  FakeDatagrams& socket = world.host.datagrams(0);
  socket.receives(spoofed(1), "first");
  socket.receives(spoofed(2), "second");
  world.advance(31s);
  socket.receives(spoofed(1), "still here");
  // Two more in one batch: only one of those that are there is silent.
  socket.receives({{spoofed(3), "third", 0, {}}, {spoofed(4), "fourth", 0, {}}});
  CHECK(world.gateway.flows().size() == 2);
  CHECK(world.gateway.drops().of(Drop::too_many_clients) == 1);
  world.settle();
  world.loses_all();
  guest_sends(world, SERVICE, spoofed(1), "answer");
  guest_sends(world, SERVICE, spoofed(3), "answer");
  REQUIRE(socket.sent().size() == 2);
  CHECK(socket.sent()[1].to == spoofed(3));
}

TEST_CASE("a port that the host chose for one family and that is taken in the other is not kept")
{
  World world;
  const Endpoint any = endpoint("::", 0);
  world.host.chooses_ports({40001, 40002, 40003});
  world.host.occupies(endpoint("0.0.0.0", 40001));
  world.host.occupies(endpoint("0.0.0.0", 40002));
  const auto forward = world.gateway.forwards().add(local(ForwardScheme::udp, any));
  CHECK(forward.listening == std::vector<StreamAddress>{endpoint("::", 40003)});
  CHECK(world.host.datagrams(0).closed());
  CHECK(world.host.datagrams(1).closed());
  CHECK_FALSE(world.host.datagrams(2).closed());
  CHECK(world.host.datagrams(3).port_hint() == 40003);
}

TEST_CASE("the search for a port has an end, and a port that was asked for is not searched")
{
  World world;
  const Endpoint asked = endpoint("::", 5300);
  world.host.occupies(endpoint("0.0.0.0", 5300));
  CHECK_THROWS_AS(world.gateway.forwards().add(local(ForwardScheme::udp, asked)), ForwardError);
  CHECK(world.host.datagram_sockets() == 1);
  world.host.chooses_ports(std::deque<std::uint16_t>(1000, 5300));
  const Endpoint any = endpoint("::", 0);
  CHECK_THROWS_AS(world.gateway.forwards().add(local(ForwardScheme::udp, any)), ForwardError);
  CHECK(world.host.datagram_sockets() <= 100);
}

} // namespace slirpstack
