#include "host/udp_socket.hh"

#include "test_namespace.hh"
#include "wire/icmp_error.hh"
#include "wire/ip.hh"

#include <array>
#include <doctest/doctest.h>
#include <netinet/udp.h>
#include <unistd.h>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

using Bytes = std::vector<std::uint8_t>;

struct Mapping final : HostDatagramEvents
{
  explicit Mapping(Family family, std::uint16_t port_hint = 0)
  {
    auto opened = network.open_datagrams(family, std::nullopt, port_hint, *this);
    REQUIRE(opened.socket);
    socket = std::move(opened.socket);
  }
  void on_datagrams(std::span<const InboundDatagram> datagrams) override
  {
    for (const InboundDatagram& each : datagrams) {
      for (ByteView rest = each.payload;;) {
        const std::size_t step = each.segment_size_bytes == 0
                                   ? rest.size()
                                   : std::min<std::size_t>(rest.size(), each.segment_size_bytes);
        received.emplace_back(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(step));
        rest = rest.subspan(step);
        if (rest.empty()) {
          break;
        }
      }
      from = each.from;
    }
    if (destroy) {
      socket.reset();
    }
  }
  void on_error(const HostError& error, const Endpoint& to, ByteView payload) override
  {
    errors.push_back({error, to, {payload.begin(), payload.end()}});
    if (destroy) {
      socket.reset();
    }
  }
  void send(std::span<const OutboundDatagram> datagrams)
  {
    socket->send(
      datagrams,
      [](void* context, std::size_t index, const HostError& error) {
        static_cast<Mapping*>(context)->failures.emplace_back(index, error);
      },
      this);
  }
  void send(const OutboundDatagram& datagram) { send({&datagram, 1}); }

  struct Error
  {
    HostError error;
    Endpoint to;
    Bytes payload;
  };
  Loop loop;
  HostSockets network{loop, {}};
  std::unique_ptr<HostDatagrams> socket;
  std::vector<Bytes> received;
  Endpoint from;
  std::vector<Error> errors;
  std::vector<std::pair<std::size_t, HostError>> failures;
  bool destroy = false;
};

/// The next datagram at `peer`, and nothing when none is there.
std::optional<Bytes> next_at(const Peer& peer)
{
  Bytes bytes(65536);
  const ssize_t length = ::recv(peer.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (length < 0) {
    return std::nullopt;
  }
  bytes.resize(static_cast<std::size_t>(length));
  return bytes;
}

/// The address of a port where nobody listens.
Endpoint dead_end(const IpAddress& address)
{
  return Peer(SOCK_DGRAM, address).endpoint();
}

const std::array ADDRESSES{LOOPBACK, LOOPBACK6};

} // namespace

TEST_CASE("datagrams of every size keep their boundaries, both ways")
{
  for (const IpAddress& address : ADDRESSES) {
    CAPTURE(address.to_string());
    Mapping mapping(address.family());
    const Peer peer(SOCK_DGRAM, address);
    std::vector<Bytes> payloads;
    std::vector<OutboundDatagram> datagrams;
    for (const std::size_t size : {0, 1, 1472, 1473, 9000, 65507, 0, 512}) {
      payloads.emplace_back(size, static_cast<std::uint8_t>(size));
    }
    datagrams.reserve(payloads.size());
    for (const Bytes& payload : payloads) {
      datagrams.push_back({.to = peer.endpoint(), .payload = payload});
    }
    mapping.send(datagrams);
    CHECK(mapping.failures.empty());
    for (const Bytes& payload : payloads) {
      CHECK(next_at(peer) == payload);
    }

    const SocketAddress back(Endpoint{address, mapping.socket->port()});
    for (const Bytes& payload : payloads) {
      ::sendto(peer.get(), payload.data(), payload.size(), 0, back.data(), back.size());
    }
    CHECK(run_until(mapping.loop, [&] { return mapping.received.size() == payloads.size(); }));
    CHECK(mapping.received == payloads);
    CHECK(mapping.from == peer.endpoint());
  }
}

TEST_CASE("the hinted port is taken when it is free, else another")
{
  const Mapping first(Family::ipv4, 40123);
  CHECK(first.socket->port() == 40123);
  const Mapping second(Family::ipv4, 40123);
  CHECK(second.socket->port() != 40123);
  CHECK(second.socket->port() != 0);
  const Mapping other_family(Family::ipv6, 40123);
  CHECK(other_family.socket->port() == 40123);
}

TEST_CASE("a run of one size leaves in one call and arrives in its pieces")
{
  for (const IpAddress& address : ADDRESSES) {
    CAPTURE(address.to_string());
    Mapping mapping(address.family());
    const Peer peer(SOCK_DGRAM, address);
    Bytes run(10 * 1000 + 17);
    for (std::size_t i = 0; i < run.size(); ++i) {
      run[i] = static_cast<std::uint8_t>(i / 1000);
    }
    mapping.send({.to = peer.endpoint(), .payload = run, .segment_size_bytes = 1000});
    CHECK(mapping.failures.empty());
    for (std::uint8_t i = 0; i < 10; ++i) {
      CHECK(next_at(peer) == Bytes(1000, i));
    }
    CHECK(next_at(peer) == Bytes(17, 10));
    CHECK_FALSE(next_at(peer));
  }
}

TEST_CASE("a run that the kernel will not segment is sent one by one")
{
  struct Case
  {
    std::size_t run_bytes;
    std::uint16_t segment_bytes;
  };
  // Segments larger than the path's MTU; more segments than the kernel takes.
  for (const Case& each : {Case{9000, 2000}, Case{500, 2}}) {
    CAPTURE(each.segment_bytes);
    Mapping mapping(Family::ipv4);
    const Peer peer(SOCK_DGRAM, LOOPBACK);
    const Bytes run(each.run_bytes, 7);
    mapping.send({.to = peer.endpoint(), .payload = run, .segment_size_bytes = each.segment_bytes});
    CHECK(mapping.failures.empty());
    std::size_t arrived = 0;
    while (const auto datagram = next_at(peer)) {
      CHECK(datagram->size() <= each.segment_bytes);
      arrived += datagram->size();
    }
    CHECK(arrived == each.run_bytes);
  }
}

TEST_CASE("runs are received whole, with their segment size")
{
  Mapping mapping(Family::ipv4);
  const Peer peer(SOCK_DGRAM, LOOPBACK);
  const int segment = 1200;
  REQUIRE(::setsockopt(peer.get(), SOL_UDP, UDP_SEGMENT, &segment, sizeof segment) == 0);
  const Bytes run(5 * 1200 + 100, 3);
  const SocketAddress to(Endpoint{LOOPBACK, mapping.socket->port()});
  ::sendto(peer.get(), run.data(), run.size(), 0, to.data(), to.size());
  CHECK(run_until(mapping.loop, [&] { return mapping.received.size() == 6; }));
  CHECK(mapping.received.front().size() == 1200);
  CHECK(mapping.received.back().size() == 100);
}

TEST_CASE("more than one batch arrives whole and in order")
{
  Mapping mapping(Family::ipv4);
  const Peer peer(SOCK_DGRAM, LOOPBACK);
  const SocketAddress to(Endpoint{LOOPBACK, mapping.socket->port()});
  // More than RECEIVE_BATCHES_PER_TURN batches; few enough for the smallest socket buffer.
  constexpr std::size_t COUNT = 270;
  for (std::size_t i = 0; i < COUNT; ++i) {
    const std::array payload{static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i >> 8U)};
    ::sendto(peer.get(), payload.data(), payload.size(), 0, to.data(), to.size());
  }
  CHECK(run_until(mapping.loop, [&] { return mapping.received.size() == COUNT; }));
  for (std::size_t i = 0; i < mapping.received.size(); ++i) {
    CHECK(mapping.received[i][0] + 256U * mapping.received[i][1] == i);
  }
}

TEST_CASE("port unreachable comes with its destination, and what was sent")
{
  for (const IpAddress& address : ADDRESSES) {
    CAPTURE(address.to_string());
    Mapping mapping(address.family());
    const Endpoint dead = dead_end(address);
    const Bytes payload(100, 0x5a);
    mapping.send({.to = dead, .payload = payload});
    CHECK(mapping.failures.empty());
    CHECK(mapping.errors.empty()); // not from inside send()
    REQUIRE(run_until(mapping.loop, [&] { return !mapping.errors.empty(); }));
    const auto& [error, to, returned] = mapping.errors.front();
    CHECK(error.code == std::errc::connection_refused);
    CHECK(to == dead);
    CHECK(returned == payload);
    REQUIRE(error.icmp);
    const auto expected = icmp_type_code(address.family(), IcmpErrorKind::port_unreachable);
    CHECK(error.icmp->type == expected.type);
    CHECK(error.icmp->code == expected.code);
    CHECK(error.icmp->offender == address);
  }
}

TEST_CASE("a dead peer's error does not cost a live peer its datagram")
{
  for (const IpAddress& address : ADDRESSES) {
    CAPTURE(address.to_string());
    Mapping mapping(address.family());
    const Peer live(SOCK_DGRAM, address);
    const Endpoint dead = dead_end(address);
    const Bytes payload(10, 1);
    std::vector<OutboundDatagram> mixed;
    for (int i = 0; i < 5; ++i) {
      mixed.push_back({.to = dead, .payload = payload});
      mixed.push_back({.to = live.endpoint(), .payload = payload});
    }
    mapping.send(mixed);
    mapping.send({.to = live.endpoint(), .payload = payload});
    CHECK(mapping.failures.empty());
    for (int i = 0; i < 6; ++i) {
      CHECK(next_at(live) == payload);
    }
    CHECK(run_until(mapping.loop, [&] { return mapping.errors.size() >= 5; }));
    CHECK(mapping.errors.size() == 5);
  }
}

TEST_CASE("a dead peer's error does not keep a live peer's datagram from arriving")
{
  Mapping mapping(Family::ipv4);
  const Peer live(SOCK_DGRAM, LOOPBACK);
  const Bytes payload(10, 1);
  mapping.send({.to = dead_end(LOOPBACK), .payload = payload});
  const SocketAddress to(Endpoint{LOOPBACK, mapping.socket->port()});
  ::sendto(live.get(), payload.data(), payload.size(), 0, to.data(), to.size());
  CHECK(
    run_until(mapping.loop, [&] { return !mapping.errors.empty() && !mapping.received.empty(); }));
}

TEST_CASE("a datagram larger than the path's MTU is refused with that MTU")
{
  for (const IpAddress& address : ADDRESSES) {
    CAPTURE(address.to_string());
    Mapping mapping(address.family());
    const Peer peer(SOCK_DGRAM, address);
    const Endpoint dead = dead_end(address);
    const Bytes small(100, 1);
    const Bytes large(3000, 2);
    const std::array datagrams{
      OutboundDatagram{.to = dead, .payload = small, .dont_fragment = true},
      OutboundDatagram{.to = peer.endpoint(), .payload = large, .dont_fragment = true},
      OutboundDatagram{.to = peer.endpoint(), .payload = small, .dont_fragment = true},
      OutboundDatagram{.to = peer.endpoint(), .payload = large, .dont_fragment = false},
    };
    mapping.send(datagrams);
    REQUIRE(mapping.failures.size() == 1);
    CHECK(mapping.failures[0].first == 1);
    CHECK(mapping.failures[0].second.code == std::errc::message_size);
    REQUIRE(mapping.failures[0].second.icmp);
    CHECK(mapping.failures[0].second.icmp->mtu_bytes == 1500);
    CHECK(next_at(peer) == small);
    CHECK(next_at(peer) == large);
    // The dead peer's error lay before the MTU in the queue: kept, and delivered from the loop.
    CHECK(mapping.errors.empty());
    CHECK(run_until(mapping.loop, [&] { return !mapping.errors.empty(); }));
    CHECK(mapping.errors.size() == 1);
    CHECK(mapping.errors[0].to == dead);
    CHECK(mapping.errors[0].payload == small);
  }
}

TEST_CASE("no route, and a broadcast address, fail for themselves alone")
{
  Mapping mapping(Family::ipv4);
  const Peer peer(SOCK_DGRAM, LOOPBACK);
  const Bytes payload(10, 1);
  const std::array datagrams{
    OutboundDatagram{.to = {IpAddress::ipv4(0xcb007107), 9}, .payload = payload},
    OutboundDatagram{.to = {IpAddress::ipv4(0x7fffffff), 9}, .payload = payload},
    OutboundDatagram{.to = peer.endpoint(), .payload = payload},
  };
  mapping.send(datagrams);
  REQUIRE(mapping.failures.size() == 2);
  CHECK(mapping.failures[0].first == 0);
  CHECK(mapping.failures[0].second.code == std::errc::network_unreachable);
  CHECK(mapping.failures[1].first == 1);
  CHECK(mapping.failures[1].second.code == std::errc::permission_denied);
  CHECK(next_at(peer) == payload);
}

TEST_CASE("a socket may be destroyed from its own events")
{
  SUBCASE("datagrams")
  {
    Mapping mapping(Family::ipv4);
    mapping.destroy = true;
    const Peer peer(SOCK_DGRAM, LOOPBACK);
    const SocketAddress to(Endpoint{LOOPBACK, mapping.socket->port()});
    ::sendto(peer.get(), "x", 1, 0, to.data(), to.size());
    CHECK(run_until(mapping.loop, [&] { return !mapping.received.empty(); }));
    CHECK_FALSE(mapping.socket);
  }
  SUBCASE("errors")
  {
    Mapping mapping(Family::ipv4);
    mapping.destroy = true;
    const Endpoint dead = dead_end(LOOPBACK);
    const Bytes payload(1, 1);
    mapping.send({.to = dead, .payload = payload});
    mapping.send({.to = dead, .payload = payload});
    CHECK(run_until(mapping.loop, [&] { return !mapping.errors.empty(); }));
    CHECK(mapping.errors.size() == 1);
  }
}

TEST_CASE("the path decides: hop limit, don't fragment, and the MTU that a router reports")
{
  Router tun;
  if (!tun.there()) {
    MESSAGE("not tested: no /dev/net/tun");
    return;
  }
  for (const FarHost& far : far_hosts("9")) {
    CAPTURE(far.address.to_string());
    Mapping mapping(far.address.family());
    const Bytes payload(1400, 1);
    mapping.send(
      {.to = {far.address, 53}, .payload = payload, .hop_limit = 7, .dont_fragment = true});
    const auto packet = tun.receive(far.address);
    const auto header = IpHeader::parse(packet);
    REQUIRE(header);
    CHECK(header->hop_limit == 7);
    CHECK(header->dont_fragment);
    tun.send(icmp_error(IcmpErrorKind::fragmentation_needed, 1300, far.router, packet).bytes());
    REQUIRE(run_until(mapping.loop, [&] { return !mapping.errors.empty(); }));
    CHECK(mapping.errors[0].error.code == std::errc::message_size);
    REQUIRE(mapping.errors[0].error.icmp);
    CHECK(mapping.errors[0].error.icmp->mtu_bytes == 1300);
    CHECK(mapping.errors[0].error.icmp->offender == far.router);
    CHECK(mapping.errors[0].to == Endpoint{far.address, 53});

    // The kernel remembers: the next one is refused here, the same size unforced is fragmented.
    mapping.send({.to = {far.address, 53}, .payload = payload, .dont_fragment = true});
    REQUIRE(mapping.failures.size() == 1);
    REQUIRE(mapping.failures[0].second.icmp);
    CHECK(mapping.failures[0].second.icmp->mtu_bytes == 1300);
    mapping.send({.to = {far.address, 53}, .payload = payload, .dont_fragment = false});
    CHECK(mapping.failures.size() == 1);
  }
}
