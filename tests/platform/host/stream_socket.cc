#include "host/stream_socket.hh"

#include "test_namespace.hh"
#include "wire/icmp_error.hh"
#include "wire/ip.hh"
#include "wire/tcp.hh"

#include <array>
#include <doctest/doctest.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <unistd.h>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

struct Client final : HostStreamEvents
{
  Client(HostSockets& network, const Endpoint& to, const StreamOptions& options = {})
  {
    Opened<HostStream> opened = network.connect(to, options, *this);
    socket = std::move(opened.socket);
    refused_at_once = opened.error;
  }
  void on_connected() override { connected = true; }
  void on_connect_failed(const HostError& error) override
  {
    failure = error;
    socket.reset();
  }
  void on_readable(bool hangup) override
  {
    ++readable;
    hung_up = hung_up || hangup;
    if (destroy_when_readable) {
      socket.reset();
    }
  }
  void on_writable() override { ++writable; }

  std::string receive()
  {
    std::array<char, 65536> buffer{};
    const iovec piece{buffer.data(), buffer.size()};
    last = socket->receive({&piece, 1});
    return {buffer.data(), last.bytes};
  }
  [[nodiscard]] Transfer send(std::string_view text) const
  {
    std::string copy(text);
    const iovec piece{copy.data(), copy.size()};
    return socket->send({&piece, 1});
  }

  std::unique_ptr<HostStream> socket;
  HostError refused_at_once;
  std::optional<HostError> failure;
  Transfer last;
  bool connected = false;
  bool hung_up = false;
  bool destroy_when_readable = false;
  int readable = 0;
  int writable = 0;
};

struct World
{
  Loop loop;
  HostSockets network{loop, {}};
};

/// A client connected to a peer in the same namespace.
struct Connection : World
{
  explicit Connection(const IpAddress& address) : server(SOCK_STREAM, address)
  {
    server.listen();
    client.emplace(network, server.endpoint());
    REQUIRE(run_until(loop, [&] { return client->connected; }));
    accepted = server.accept();
  }
  Peer server;
  std::optional<Client> client;
  FileDescriptor accepted;
};

} // namespace

TEST_CASE("a connection comes up, carries bytes both ways, and ends in both halves")
{
  for (const IpAddress& address : {LOOPBACK, LOOPBACK6}) {
    CAPTURE(address.to_string());
    Connection pair(address);
    CHECK(pair.client->receive().empty());
    CHECK(pair.client->last.would_block);

    CHECK(pair.client->send("hello").bytes == 5);
    std::array<char, 16> got{};
    CHECK(::read(pair.accepted.get(), got.data(), got.size()) == 5);
    pair.client->socket->shutdown_send();
    CHECK(::read(pair.accepted.get(), got.data(), got.size()) == 0);

    CHECK(::write(pair.accepted.get(), "answer", 6) == 6);
    CHECK(run_until(pair.loop, [&] { return pair.client->readable > 0; }));
    CHECK_FALSE(pair.client->hung_up);
    CHECK(pair.client->receive() == "answer");

    pair.accepted.reset();
    CHECK(run_until(pair.loop, [&] { return pair.client->hung_up; }));
    CHECK(pair.client->receive().empty());
    CHECK(pair.client->last.end_of_stream);
  }
}

TEST_CASE("a refused connection is known within milliseconds")
{
  for (const IpAddress& address : {LOOPBACK, LOOPBACK6}) {
    CAPTURE(address.to_string());
    World world;
    Peer closed(SOCK_STREAM, address);
    const TimePoint start = Loop::now();
    Client client(world.network, closed.endpoint());
    REQUIRE(client.socket);
    CHECK(run_until(world.loop, [&] { return client.failure.has_value(); }));
    CHECK(client.failure->code == std::errc::connection_refused);
    CHECK_FALSE(client.connected);
    CHECK(Loop::now() - start < std::chrono::milliseconds(100));
  }
}

TEST_CASE("a missing route is known at once")
{
  World world;
  const Client client(world.network, {IpAddress::ipv4(0xc0000202), 80});
  CHECK_FALSE(client.socket);
  CHECK(client.refused_at_once.code == std::errc::network_unreachable);
}

TEST_CASE("a source that is not ours cannot be bound")
{
  World world;
  StreamOptions options;
  options.source = IpAddress::ipv4(0xc0000263);
  const Client client(world.network, {LOOPBACK, 80}, options);
  CHECK_FALSE(client.socket);
  CHECK(client.refused_at_once.code == std::errc::address_not_available);
}

TEST_CASE("the bound source is what the peer sees")
{
  World world;
  Peer server(SOCK_STREAM, LOOPBACK);
  server.listen();
  StreamOptions options;
  options.source = IpAddress::ipv4(0x7f000009);
  Client client(world.network, server.endpoint(), options);
  CHECK(run_until(world.loop, [&] { return client.connected; }));
  const FileDescriptor accepted = server.accept();
  SocketAddress peer;
  socklen_t size = SocketAddress::CAPACITY;
  CHECK(::getpeername(accepted.get(), peer.data(), &size) == 0);
  CHECK(peer.endpoint().address == *options.source);
}

TEST_CASE("running out of descriptors is an error, and passes")
{
  World world;
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const rlimit none{3, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  const Client starved(world.network, {LOOPBACK, 1});
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(starved.refused_at_once.code == std::errc::too_many_files_open);
  CHECK(Client(world.network, {LOOPBACK, 1}).socket);
}

TEST_CASE("the descriptor limit is raised to the hard one")
{
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  CHECK(raise_descriptor_limit() == limit.rlim_max);
}

TEST_CASE("a full connection blocks, and says when it can go on")
{
  Connection pair(LOOPBACK);
  const std::string chunk(1 << 16, 'x');
  std::size_t sent = 0;
  Transfer transfer;
  for (int i = 0; i < 10000 && !transfer.would_block; ++i) {
    transfer = pair.client->send(chunk);
    sent += transfer.bytes;
  }
  REQUIRE(transfer.would_block);
  run_quietly(pair.loop);
  const int writable = pair.client->writable;
  std::vector<char> sink(1 << 20);
  const auto drain_some
    = [&] { return ::recv(pair.accepted.get(), sink.data(), sink.size(), MSG_DONTWAIT); };
  for (std::size_t drained = 0; drained < sent;) {
    const ssize_t got = drain_some();
    if (got <= 0) {
      break;
    }
    drained += static_cast<std::size_t>(got);
  }
  CHECK(run_until(pair.loop, [&] { return pair.client->writable > writable; }));
  CHECK(pair.client->send(chunk).bytes > 0);
}

TEST_CASE("the peer's reset is an error, ours reaches the peer")
{
  SUBCASE("the peer's")
  {
    Connection pair(LOOPBACK);
    const linger reset{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(pair.accepted.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    pair.accepted.reset();
    CHECK(run_until(pair.loop, [&] { return pair.client->hung_up; }));
    pair.client->receive();
    CHECK(pair.client->last.code == std::errc::connection_reset);
  }
  SUBCASE("ours")
  {
    Connection pair(LOOPBACK);
    pair.client->socket->reset_on_close();
    pair.client->socket.reset();
    std::array<char, 1> byte{};
    CHECK(::read(pair.accepted.get(), byte.data(), 1) == -1);
    CHECK(errno == ECONNRESET);
  }
}

TEST_CASE("a stream destroyed when readable is not told that it is writable")
{
  Connection pair(LOOPBACK);
  pair.client->destroy_when_readable = true;
  pair.accepted.reset();
  CHECK(run_until(pair.loop, [&] { return pair.client->readable > 0; }));
  run_quietly(pair.loop);
  CHECK(pair.client->readable == 1);
  CHECK(pair.client->writable == 0);
}

TEST_CASE("urgent data arrives as data; a receive ends at its mark, as the event warns")
{
  Connection pair(LOOPBACK);
  CHECK(::send(pair.accepted.get(), "urgent", 6, MSG_OOB) == 6);
  CHECK(run_until(pair.loop, [&] { return pair.client->readable > 0; }));
  CHECK(pair.client->hung_up);
  CHECK(pair.client->receive() == "urgen");
  CHECK(pair.client->receive() == "t");
  pair.client->receive();
  CHECK(pair.client->last.would_block);
}

TEST_CASE("an ICMP error to the SYN comes with its type, code and sender")
{
  struct Case
  {
    FarHost far;
    IcmpErrorKind kind;
    int code;
  };
  const auto [far, far6] = far_hosts("7");
  const std::array cases{
    Case{far, IcmpErrorKind::host_unreachable, EHOSTUNREACH},
    Case{far, IcmpErrorKind::administratively_prohibited, EHOSTUNREACH},
    Case{far, IcmpErrorKind::port_unreachable, ECONNREFUSED},
    Case{far6, IcmpErrorKind::net_unreachable, ENETUNREACH},
    Case{far6, IcmpErrorKind::host_unreachable, EHOSTUNREACH},
    Case{far6, IcmpErrorKind::administratively_prohibited, EACCES},
  };
  Router tun;
  if (!tun.there()) {
    MESSAGE("not tested: no /dev/net/tun");
    return;
  }
  for (const Case& each : cases) {
    CAPTURE(each.far.address.to_string());
    CAPTURE(each.code);
    World world;
    const Client client(world.network, {each.far.address, 80});
    const auto syn = tun.receive(each.far.address);
    REQUIRE_FALSE(syn.empty());
    tun.send(icmp_error(each.kind, 0, each.far.router, syn).bytes());
    REQUIRE(run_until(world.loop, [&] { return client.failure.has_value(); }));
    CHECK(client.failure->code.value() == each.code);
    REQUIRE(client.failure->icmp);
    const IcmpTypeCode sent = icmp_type_code(each.far.address.family(), each.kind);
    CHECK(client.failure->icmp->family == each.far.address.family());
    CHECK(client.failure->icmp->type == sent.type);
    CHECK(client.failure->icmp->code == sent.code);
    CHECK(client.failure->icmp->offender == each.far.router);
  }
}

namespace {

/// What the far end answers to `syn`: SYN and ACK.
SmallPacket syn_ack(ByteView syn)
{
  const auto ip = IpHeader::parse(syn);
  REQUIRE(ip);
  const auto tcp = TcpHeader::parse(ip->payload(syn));
  REQUIRE(tcp);
  TcpHeader answer;
  answer.source_port = tcp->destination_port;
  answer.destination_port = tcp->source_port;
  answer.sequence = 1000;
  answer.acknowledgment = tcp->sequence + 1;
  answer.flags = TCP_FLAG_SYN | TCP_FLAG_ACK;
  answer.window = 65535;
  std::array<std::uint8_t, 64> segment{};
  Writer writer(segment);
  const std::size_t length = answer.write(writer);
  IpHeader header;
  header.source = ip->destination;
  header.destination = ip->source;
  header.protocol = PROTOCOL_TCP;
  return SmallPacket::ip(header, ByteView(segment).first(length));
}

} // namespace

TEST_CASE("an ICMP error does not end an established connection")
{
  Router tun;
  if (!tun.there()) {
    MESSAGE("not tested: no /dev/net/tun");
    return;
  }
  for (const FarHost& far : far_hosts("8")) {
    CAPTURE(far.address.to_string());
    World world;
    Client client(world.network, {far.address, 80});
    tun.send(syn_ack(tun.receive(far.address)).bytes());
    REQUIRE(run_until(world.loop, [&] { return client.connected; }));
    REQUIRE_FALSE(tun.receive(far.address).empty()); // the ACK
    CHECK(client.send("lost").bytes == 4);
    const auto data = tun.receive(far.address);
    tun.send(icmp_error(IcmpErrorKind::host_unreachable, 0, far.router, data).bytes());
    run_quietly(world.loop);
    client.receive();
    CHECK(client.last.would_block);
    CHECK(client.send("more").bytes == 4);
  }
}
