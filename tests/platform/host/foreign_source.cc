// What the kernel does with addresses of a prefix that the host routes to itself: sockets of any
// kind can be bound to them without a privilege, and answers come back.

#include "test_namespace.hh"

#include <array>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

constexpr std::string_view PREFIX = "2001:db8:7::/64";
const IpAddress HERE = *IpAddress::parse("2001:db8:7::7");
const IpAddress THERE = *IpAddress::parse("2001:db8:7::8");

/// The route, as long as this lasts.
struct LocalRoute
{
  LocalRoute() { REQUIRE(ip("-6 route add local " + std::string(PREFIX) + " dev lo")); }
  ~LocalRoute() { ip("-6 route del local " + std::string(PREFIX) + " dev lo"); }
  LocalRoute(const LocalRoute&) = delete;
  LocalRoute& operator=(const LocalRoute&) = delete;
  LocalRoute(LocalRoute&&) = delete;
  LocalRoute& operator=(LocalRoute&&) = delete;
};

struct Streams final
  : HostStreamEvents
  , HostListenerEvents
{
  void on_connected() override { connected = true; }
  void on_connect_failed(const HostError& error) override { failure = error.code; }
  void on_readable(bool) override {}
  void on_writable() override {}
  void on_accepted(AcceptedStream&& stream) override
  {
    accepted = std::move(stream);
    accepted.stream->deliver_to(*this);
  }
  bool connected = false;
  std::error_code failure;
  AcceptedStream accepted;
};

struct Datagrams final : HostDatagramEvents
{
  void on_datagrams(std::span<const InboundDatagram> datagrams) override
  {
    from = datagrams.front().from;
    to = datagrams.front().to;
    ++received;
  }
  void on_error(const HostError&, const Endpoint&, ByteView) override {}
  Endpoint from;
  std::optional<IpAddress> to;
  int received = 0;
};

void send(HostDatagrams& socket, const OutboundDatagram& datagram)
{
  std::error_code failure;
  socket.send(
    {&datagram, 1},
    [](void* context, std::size_t, const HostError& error) {
      *static_cast<std::error_code*>(context) = error.code;
    },
    &failure);
  CHECK_FALSE(failure);
}

struct Pings final : HostPingEvents
{
  void on_reply(const IpAddress& sender, std::uint16_t, std::uint8_t, ByteView) override
  {
    from = sender;
  }
  void on_error(const HostError&, const IpAddress&, std::uint16_t, ByteView) override {}
  std::optional<IpAddress> from;
};

} // namespace

TEST_CASE("a connection leaves from such an address and reaches a listener at another")
{
  const LocalRoute route;
  Loop loop;
  HostSockets network{loop, {}};
  Streams events;
  auto listener
    = network.listen({.address = Endpoint{THERE, 8080}, .device = {}, .is_foreign = true}, events);
  REQUIRE(listener.socket);
  auto opened = network.connect(
    Endpoint{THERE, 8080}, {.source = SourceAddress(HERE, /*foreign=*/true)}, events);
  REQUIRE(opened.socket);
  CHECK(run_until(loop, [&] { return events.connected && events.accepted.stream; }));
  CHECK_FALSE(events.failure);
  CHECK(events.accepted.peer->address == HERE);
  CHECK(events.accepted.local->address == THERE);
}

TEST_CASE("without IPV6_FREEBIND such an address cannot be bound")
{
  const LocalRoute route;
  Loop loop;
  HostSockets network{loop, {}};
  Streams events;
  const auto refused = network.connect(Endpoint{THERE, 8080}, {.source = HERE}, events);
  CHECK(refused.error.code == std::errc::address_not_available);
  const auto listener = network.listen({.address = Endpoint{THERE, 8081}, .device = {}}, events);
  CHECK(listener.error.code == std::errc::address_not_available);
}

TEST_CASE("a wildcard tells which such address a datagram came to, and answers from there")
{
  const LocalRoute route;
  Loop loop;
  HostSockets network{loop, {}};
  Datagrams server;
  Datagrams client;
  auto listening = network.listen_datagrams(
    {.address = Endpoint{IpAddress::any(Family::ipv6), 0}, .device = {}}, server);
  auto asking = network.open_datagrams(Family::ipv6, SourceAddress(HERE, true), 0, client);
  REQUIRE(listening.socket);
  REQUIRE(asking.socket);
  const std::array<std::uint8_t, 1> data{1};
  send(*asking.socket, {.to = {THERE, listening.socket->port()}, .payload = data, .source = {}});
  REQUIRE(run_until(loop, [&] { return server.received == 1; }));
  CHECK(server.from == Endpoint{HERE, asking.socket->port()});
  REQUIRE(server.to == THERE);
  send(*listening.socket, {.to = server.from, .payload = data, .source = server.to});
  REQUIRE(run_until(loop, [&] { return client.received == 1; }));
  CHECK(client.from.address == THERE);
}

TEST_CASE("an echo leaves from such an address and is answered")
{
  const LocalRoute route;
  Loop loop;
  HostSockets network{loop, {}};
  Pings events;
  auto opened = network.open_ping(Family::ipv6, SourceAddress(HERE, true), events);
  REQUIRE(opened.socket);
  CHECK_FALSE(opened.socket->send(THERE, 1, {}, 0, false).code);
  CHECK(run_until(loop, [&] { return events.from.has_value(); }));
  CHECK(events.from == THERE);
}
