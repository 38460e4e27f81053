// Remote forwards (-R) of TCP: clients of the guest, services of the host.

#include "base/error.hh"
#include "scenario/tcp_guest.hh"

#include <cerrno>
#include <doctest/doctest.h>

namespace slirpstack {

namespace {

using namespace std::chrono_literals;

const Endpoint GUEST = endpoint("10.0.2.100", 40000);
const Endpoint MATCH = endpoint("10.0.2.2", 8080);
const Endpoint TARGET = endpoint("127.0.0.1", 80);
const Endpoint SECOND = endpoint("127.0.0.1", 81);

ForwardPlan remote(std::deque<Target> targets,
                   const Endpoint& match = MATCH,
                   ForwardScheme scheme = ForwardScheme::tcp)
{
  ForwardPlan plan;
  plan.spec.direction = ForwardDirection::remote;
  plan.remote.push_back({.scheme = scheme, .match = match, .targets = std::move(targets)});
  return plan;
}

NamedTarget named(const char* name)
{
  return {{.name = name, .server = {}}, 80};
}

} // namespace

TEST_CASE("a port of the gateway leads to a service on the host's loopback")
{
  World world;
  world.gateway.forwards().add(remote({TARGET}));
  TcpGuest guest(world, GUEST, MATCH);
  guest.connects();
  CHECK(world.host.stream(0).to() == TARGET);
  CHECK(int{world.host.stream(0).options().hop_limit} == 0); // as the host itself would ask
  guest.sends(data("GET"));
  CHECK(guest.host().sent() == "GET");
}

TEST_CASE("any destination can be forwarded, denied ones and port 0 too")
{
  for (const Endpoint& match : {endpoint("203.0.113.7", 80),
                                endpoint("192.0.2.7", 443),
                                endpoint("10.0.2.2", 0),
                                endpoint("10.0.2.3", 53)}) {
    CAPTURE(match.to_string());
    World world;
    world.gateway.forwards().add(remote({TARGET}, match));
    TcpGuest guest(world, GUEST, match);
    guest.connects();
    CHECK(world.host.stream(0).to() == TARGET);
  }
}

TEST_CASE("other ports of the gateway are refused as before")
{
  World world;
  world.gateway.forwards().add(remote({TARGET}));
  TcpGuest guest(world, GUEST, endpoint("10.0.2.2", 8081));
  guest.sends(syn());
  guest.expects(RST_ACK);
}

TEST_CASE("a target that refuses makes way for the next; the last one's answer is the guest's")
{
  World world;
  world.gateway.forwards().add(remote({TARGET, SECOND}));
  TcpGuest guest(world, GUEST, MATCH);
  guest.sends(syn());
  world.host.stream(0).fails(host_error(ECONNREFUSED));
  CHECK(world.host.stream(1).to() == SECOND);
  world.host.stream(1).fails(host_error(ECONNREFUSED));
  guest.expects(RST_ACK);
  CHECK(world.gateway.flows().size() == 0);
}

TEST_CASE("a silent target makes way after five seconds when there is another")
{
  World world;
  world.gateway.forwards().add(remote({TARGET, SECOND}));
  TcpGuest guest(world, GUEST, MATCH);
  guest.sends(syn());
  world.advance(6s);
  REQUIRE(world.host.streams() == 2);
  CHECK(world.host.stream(0).closed());
  world.host.stream(1).connects();
  guest.expects(SYN_ACK);
}

TEST_CASE("a name is looked up for each connection, its addresses tried in order")
{
  World world;
  world.gateway.forwards().add(remote({named("web.example")}));
  TcpGuest guest(world, GUEST, MATCH);
  guest.sends(syn());
  CHECK(world.host.streams() == 0);
  world.names.answers("web.example", {.addresses = {TARGET.address, SECOND.address}});
  world.host.stream(0).fails(host_error(EHOSTUNREACH));
  world.host.stream(1).connects();
  guest.expects(SYN_ACK);
  TcpGuest other(world, endpoint("10.0.2.100", 40001), MATCH);
  other.sends(syn());
  CHECK(world.names.waiting() == 1);
}

TEST_CASE("an SRV record's port counts")
{
  World world;
  world.gateway.forwards().add(remote({named("_web._tcp.example")}));
  TcpGuest guest(world, GUEST, MATCH);
  guest.sends(syn());
  world.names.answers("_web._tcp.example", {.addresses = {TARGET.address}, .port = 8443});
  CHECK(world.host.stream(0).to() == Endpoint{TARGET.address, 8443});
}

TEST_CASE("a name without an address is unreachable, and the next target is tried first")
{
  World world;
  world.gateway.forwards().add(remote({named("gone.example"), SECOND}));
  TcpGuest guest(world, GUEST, MATCH);
  guest.sends(syn());
  world.names.answers("gone.example", {.error = "lookup gone.example: no such host"});
  CHECK(world.host.stream(0).to() == SECOND);
  world.host.stream(0).connects();
  guest.expects(SYN_ACK);
}

TEST_CASE("a guest that gives up cancels the lookup")
{
  World world;
  world.gateway.forwards().add(remote({named("slow.example")}));
  TcpGuest guest(world, GUEST, MATCH);
  guest.sends(syn());
  CHECK(world.names.waiting() == 1);
  guest.sends(rst());
  CHECK(world.names.waiting() == 0);
}

TEST_CASE("a Unix socket is a target; one that is not there refuses")
{
  World world;
  world.gateway.forwards().add(remote({UnixPath{"/run/app.sock"}}));
  TcpGuest guest(world, GUEST, MATCH);
  guest.connects();
  CHECK(world.host.stream(0).address() == StreamAddress(UnixPath{"/run/app.sock"}));
  world.host.refuses_to_open(host_error(ENOENT));
  TcpGuest other(world, endpoint("10.0.2.100", 40001), MATCH);
  other.sends(syn());
  other.expects(RST_ACK);
}

TEST_CASE("the target is told whose connection it is")
{
  World world;
  world.gateway.forwards().add(remote({TARGET}, MATCH, ForwardScheme::tcppp));
  TcpGuest guest(world, GUEST, MATCH);
  guest.connects();
  CHECK(guest.host().sent() == "PROXY TCP4 10.0.2.100 10.0.2.2 40000 8080\r\n");
  guest.sends(data("GET"));
  CHECK(guest.host().sent() == "PROXY TCP4 10.0.2.100 10.0.2.2 40000 8080\r\nGET");
}

TEST_CASE("two forwards cannot stand for one destination")
{
  World world;
  world.gateway.forwards().add(remote({TARGET}));
  CHECK_THROWS_WITH_AS(world.gateway.forwards().add(remote({SECOND})),
                       "10.0.2.2:8080 is forwarded already, by forward 1",
                       UsageError);
  CHECK(world.gateway.forwards().list().size() == 1);
}

} // namespace slirpstack
