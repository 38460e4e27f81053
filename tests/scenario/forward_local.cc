// Local forwards (-L): clients of the host, services of the guest.

#include "scenario/tcp_guest.hh"

#include <cerrno>
#include <doctest/doctest.h>

namespace slirpstack {

namespace {

using namespace std::chrono_literals;

const Endpoint SERVICE = endpoint("10.0.2.100", 80);
const Endpoint OTHER_SERVICE = endpoint("10.0.2.101", 81);
const Endpoint CLIENT = endpoint("198.51.100.7", 51000);
const Endpoint GATEWAY = endpoint("10.0.2.2", 51000);

ForwardPlan local(ForwardScheme scheme, std::deque<Endpoint> targets = {SERVICE})
{
  ForwardPlan plan;
  plan.spec.scheme = scheme;
  plan.local.push_back({.scheme = scheme,
                        .listen = {.address = endpoint("203.0.113.1", 8080), .device = {}},
                        .targets = std::move(targets)});
  return plan;
}

/// The guest's service, asked by the gateway in the name of `client`.
class Service
{
public:
  explicit Service(World& world, const Endpoint& client = CLIENT, const Endpoint& here = SERVICE)
    : guest(world, here, client)
  {}

  void takes()
  {
    guest.heard = guest.hears().tcp.sequence; // the SYN
    guest.sends(Segment{.flags = SYN_ACK}.mss(1460).window_scale(7));
    guest.expects(ACK);
  }

  TcpGuest guest;
};

} // namespace

TEST_CASE("a client of the host reaches the guest's service under its own address")
{
  World world;
  world.gateway.forwards().add(local(ForwardScheme::tcp));
  world.host.listener(0).accepts(CLIENT);
  Service service(world);
  const auto syn = service.guest.hears();
  CHECK((syn.tcp.flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN);
  CHECK(syn.packet.ip().source == CLIENT.address);
  CHECK(syn.tcp.source_port == CLIENT.port);
  CHECK(syn.tcp.destination_port == SERVICE.port);
  service.guest.heard = syn.tcp.sequence + 1;
  service.guest.sends(Segment{.flags = SYN_ACK}.mss(1460).window_scale(7));
  service.guest.expects(ACK);

  world.host.stream(0).has("hello");
  CHECK(service.guest.expects(ACK).data == "hello");
  service.guest.sends(data("welcome"));
  CHECK(world.host.stream(0).sent() == "welcome");
  CHECK(world.gateway.flows().size() == 1);
}

TEST_CASE("what a client sends before the guest has answered is not lost")
{
  World world;
  world.gateway.forwards().add(local(ForwardScheme::tcp));
  world.host.listener(0).accepts(CLIENT);
  world.host.stream(0).has("early");
  world.host.stream(0).eof();
  TcpGuest guest(world, SERVICE, CLIENT);
  guest.heard = guest.hears().tcp.sequence + 1;
  guest.sends(Segment{.flags = SYN_ACK}.mss(1460).window_scale(7));
  guest.expects(ACK);
  const auto first = guest.hears();
  CHECK(first.data == "early");
  if ((first.tcp.flags & TCP_FLAG_FIN) == 0) {
    CHECK((guest.hears().tcp.flags & TCP_FLAG_FIN) != 0);
  }
}

TEST_CASE("refused by the guest, the client is reset at once")
{
  World world;
  world.gateway.forwards().add(local(ForwardScheme::tcp));
  world.host.listener(0).accepts(CLIENT);
  TcpGuest guest(world, SERVICE, CLIENT);
  const auto syn = guest.hears();
  guest.sends(Segment{.flags = RST_ACK}.acknowledging(syn.tcp.sequence + 1));
  CHECK(world.host.stream(0).was_reset());
  CHECK(world.gateway.flows().size() == 0);
}

TEST_CASE("a client that resets while the guest is asked is forgotten, and the guest told")
{
  World world;
  world.gateway.forwards().add(local(ForwardScheme::tcp));
  world.host.listener(0).accepts(CLIENT);
  TcpGuest guest(world, SERVICE, CLIENT);
  guest.hears();
  world.host.stream(0).resets();
  CHECK((guest.hears().tcp.flags & TCP_FLAG_RST) != 0);
  CHECK(world.gateway.flows().size() == 0);
}

TEST_CASE("targets are tried in their order")
{
  World world;
  world.gateway.forwards().add(local(ForwardScheme::tcp, {SERVICE, OTHER_SERVICE}));
  world.host.listener(0).accepts(CLIENT);
  TcpGuest first(world, SERVICE, CLIENT);
  const auto syn = first.hears();
  first.sends(Segment{.flags = RST_ACK}.acknowledging(syn.tcp.sequence + 1));
  TcpGuest second(world, OTHER_SERVICE, CLIENT);
  second.heard = second.hears().tcp.sequence + 1;
  second.sends(Segment{.flags = SYN_ACK}.mss(1460));
  second.expects(ACK);
  second.sends(data("second"));
  CHECK(world.host.stream(0).sent() == "second");
}

TEST_CASE("a guest that never answers lets the client go in the end")
{
  World world;
  world.gateway.forwards().add(local(ForwardScheme::tcp));
  world.host.listener(0).accepts(CLIENT);
  world.advance(300s);
  CHECK(world.host.stream(0).was_reset());
  CHECK(world.gateway.flows().size() == 0);
}

TEST_CASE("a client whose address the guest could not answer appears as the gateway")
{
  for (const Endpoint& client : {endpoint("127.0.0.1", 51000), endpoint("10.0.2.7", 51000)}) {
    CAPTURE(client.to_string());
    World world;
    world.gateway.forwards().add(local(ForwardScheme::tcp));
    world.host.listener(0).accepts(client);
    const GuestReceived syn = world.inbox().front();
    CHECK(syn.ip().source == GATEWAY.address);
  }
}

TEST_CASE("an IPv6 client of an IPv4 service appears as the gateway")
{
  World world;
  world.gateway.forwards().add(local(ForwardScheme::tcp));
  world.host.listener(0).accepts(endpoint("2001:db8::7", 51000));
  CHECK(world.inbox().front().ip().source == GATEWAY.address);
}

TEST_CASE("two clients that would look alike get ports of their own")
{
  World world;
  world.gateway.forwards().add(local(ForwardScheme::tcp));
  world.host.listener(0).accepts(endpoint("127.0.0.1", 51000));
  world.host.listener(0).accepts(endpoint("127.0.0.2", 51000));
  CHECK(world.gateway.flows().size() == 2);
}

TEST_CASE("over the limit of flows a client is reset")
{
  Gateway::Settings settings = World::settings();
  settings.max_flows = 1;
  World world(settings);
  world.gateway.forwards().add(local(ForwardScheme::tcp));
  world.host.listener(0).accepts(CLIENT);
  world.host.listener(0).accepts(endpoint("198.51.100.8", 51000));
  CHECK_FALSE(world.host.stream(0).closed());
  CHECK(world.host.stream(1).was_reset());
  CHECK(world.gateway.refused_for_limit() == 1);
}

TEST_CASE("a PROXY header says whose connection it is")
{
  World world;
  world.gateway.forwards().add(local(ForwardScheme::tcppp, {{SERVICE.address, 0}}));
  world.host.listener(0).accepts(endpoint("127.0.0.1", 5000));
  world.host.stream(0).has("PROXY TCP4 192.0.2.99 203.0.113.9 ");
  world.expects_nothing(); // half a header
  world.host.stream(0).has("1234 443\r\nGET");
  TcpGuest guest(world, {SERVICE.address, 443}, endpoint("192.0.2.99", 1234));
  guest.heard = guest.hears().tcp.sequence + 1;
  guest.sends(Segment{.flags = SYN_ACK}.mss(1460));
  guest.expects(ACK);
  CHECK(guest.expects(ACK).data == "GET"); // what follows the header is data
}

TEST_CASE("who sends no PROXY header is reset, at once or in the end")
{
  World world;
  world.gateway.forwards().add(local(ForwardScheme::tcppp));
  world.host.listener(0).accepts(CLIENT);
  world.host.stream(0).has("GET / HTTP/1.1\r\n");
  CHECK(world.host.stream(0).was_reset());
  world.host.listener(0).accepts(CLIENT);
  world.host.stream(1).eof();
  CHECK(world.host.stream(1).was_reset());
  world.host.listener(0).accepts(CLIENT);
  world.advance(11s);
  CHECK(world.host.stream(2).was_reset());
  world.expects_nothing();
}

TEST_CASE("a removed forward takes no more clients; its flows end, or drain")
{
  for (const auto removal : {ForwardSet::Removal::end, ForwardSet::Removal::drain}) {
    World world;
    const auto forward = world.gateway.forwards().add(local(ForwardScheme::tcp));
    world.host.listener(0).accepts(CLIENT);
    TcpGuest guest(world, SERVICE, CLIENT);
    guest.heard = guest.hears().tcp.sequence + 1;
    guest.sends(Segment{.flags = SYN_ACK}.mss(1460));
    guest.expects(ACK);
    CHECK(world.gateway.forwards().list().at(0).flows == 1);
    CHECK(world.gateway.forwards().remove(forward.id, removal));
    world.settle();
    CHECK(world.host.listener(0).closed());
    const bool is_ended = removal == ForwardSet::Removal::end;
    CHECK(world.host.stream(0).closed() == is_ended);
    CHECK(world.gateway.forwards().list().empty() == is_ended);
    if (!is_ended) {
      CHECK(world.gateway.forwards().list().at(0).draining);
      CHECK(world.gateway.forwards().size() == 0);
      guest.sends(rst());
      CHECK(world.gateway.forwards().list().empty());
    }
    CHECK_FALSE(world.gateway.forwards().remove(forward.id, removal));
  }
}

TEST_CASE("an address that cannot be listened on changes nothing")
{
  World world;
  world.host.refuses_to_open(host_error(EADDRINUSE));
  std::string said;
  try {
    LocalForward forward = local(ForwardScheme::tcp).local.front();
    forward.listen.device = "eth7";
    world.gateway.forwards().add({.spec = {}, .local = {forward}, .remote = {}});
  } catch (const ForwardError& error) {
    said = error.what();
  }
  CHECK(said.starts_with("listen on tcp://"));
  CHECK(said.find(" on device eth7: ") != std::string::npos);
  CHECK(world.gateway.forwards().list().empty());
}

TEST_CASE("a guest's ICMP error about our SYN counts as refused")
{
  World world;
  world.gateway.forwards().add(local(ForwardScheme::tcp));
  world.host.listener(0).accepts(CLIENT);
  const GuestReceived syn = world.inbox().front();
  const SmallPacket error
    = icmp_error(IcmpErrorKind::administratively_prohibited, 0, SERVICE.address, syn.bytes);
  world.guest_sends(error.bytes());
  world.settle();
  CHECK(world.host.stream(0).was_reset());
}

} // namespace slirpstack
