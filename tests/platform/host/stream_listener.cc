#include "host/stream_listener.hh"

#include "host/stream_socket.hh"
#include "host/unix_address.hh"
#include "test_namespace.hh"

#include <array>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace slirpstack;
using namespace slirpstack::test;
using namespace std::chrono_literals;

namespace {

/// Keeps what it accepts, and hears its streams.
class Accepter final
  : public HostListenerEvents
  , public HostStreamEvents
{
public:
  void on_accepted(AcceptedStream&& stream) override
  {
    stream.stream->deliver_to(*this);
    accepted.push_back(std::move(stream));
  }
  void on_connected() override { ++connected; }
  void on_connect_failed(const HostError& error) override { failure = error; }
  void on_readable(bool) override { ++readable; }
  void on_writable() override {}

  std::vector<AcceptedStream> accepted;
  HostError failure;
  int connected = 0;
  int readable = 0;
};

class Client
{
public:
  explicit Client(const Endpoint& to)
    : descriptor_(::socket(address_family(to.address.family()), SOCK_STREAM | SOCK_CLOEXEC, 0))
  {
    const SocketAddress address(to);
    connected = ::connect(descriptor_.get(), address.data(), address.size()) == 0;
  }
  void send(const char* text) const { CHECK(::send(descriptor_.get(), text, 5, 0) == 5); }
  [[nodiscard]] int get() const { return descriptor_.get(); }

  bool connected = false;

private:
  FileDescriptor descriptor_;
};

struct Fixture
{
  Opened<HostListener> listen(const StreamAddress& address, const std::string& device = "")
  {
    return StreamListener::open(
      loop, sockets, 7440s, {.address = address, .device = device}, accepter);
  }
  std::uint16_t port_of(const Opened<HostListener>& opened)
  {
    return std::get<Endpoint>(opened.socket->address()).port;
  }

  Loop loop;
  SocketSet sockets{loop};
  Accepter accepter;
};

} // namespace

TEST_CASE("clients are accepted, with their own address and the one that they asked for")
{
  Fixture fixture;
  const auto opened = fixture.listen(Endpoint{LOOPBACK, 0});
  REQUIRE(opened.socket);
  const std::uint16_t port = fixture.port_of(opened);
  CHECK(port != 0);
  const Client client({LOOPBACK, port});
  CHECK(client.connected);
  CHECK(run_until(fixture.loop, [&] { return fixture.accepter.accepted.size() == 1; }));
  const AcceptedStream& accepted = fixture.accepter.accepted[0];
  CHECK(accepted.local == Endpoint{LOOPBACK, port});
  CHECK(accepted.peer->address == LOOPBACK);
  CHECK(accepted.stream->local() == accepted.local);
  client.send("hello");
  CHECK(run_until(fixture.loop, [&] { return fixture.accepter.readable > 0; }));
  std::array<std::uint8_t, 10> bytes{};
  CHECK(accepted.stream->peek(bytes).bytes == 5);
  const std::array<iovec, 1> pieces{iovec{bytes.data(), bytes.size()}};
  CHECK(accepted.stream->receive(pieces).bytes == 5);
}

TEST_CASE("a wildcard of either family takes clients of both, under plain IPv4 addresses")
{
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    Fixture fixture;
    const auto opened = fixture.listen(Endpoint{IpAddress::any(family), 0});
    REQUIRE(opened.socket);
    CHECK(std::get<Endpoint>(opened.socket->address()).address == IpAddress::any(Family::ipv6));
    const std::uint16_t port = fixture.port_of(opened);
    const Client four({LOOPBACK, port});
    const Client six({LOOPBACK6, port});
    CHECK(run_until(fixture.loop, [&] { return fixture.accepter.accepted.size() == 2; }));
    CHECK(fixture.accepter.accepted[0].peer->address == LOOPBACK);
    CHECK(fixture.accepter.accepted[0].local->address == LOOPBACK);
    CHECK(fixture.accepter.accepted[1].peer->address == LOOPBACK6);
  }
}

TEST_CASE("a taken port is an error, and a device that is not there")
{
  Fixture fixture;
  const auto opened = fixture.listen(Endpoint{LOOPBACK, 0});
  const auto again = fixture.listen(Endpoint{LOOPBACK, fixture.port_of(opened)});
  CHECK_FALSE(again.socket);
  CHECK(again.error.code == std::errc::address_in_use);
  CHECK_FALSE(fixture.listen(Endpoint{LOOPBACK, 0}, "nodevice").socket);
  CHECK(fixture.listen(Endpoint{LOOPBACK, 0}, "lo").socket);
}

TEST_CASE("a closed listener leaves its port, and those that it has accepted alone")
{
  Fixture fixture;
  auto opened = fixture.listen(Endpoint{LOOPBACK, 0});
  const std::uint16_t port = fixture.port_of(opened);
  const Client client({LOOPBACK, port});
  CHECK(run_until(fixture.loop, [&] { return fixture.accepter.accepted.size() == 1; }));
  opened.socket.reset();
  CHECK_FALSE(Client({LOOPBACK, port}).connected);
  client.send("hello");
  CHECK(run_until(fixture.loop, [&] { return fixture.accepter.readable > 0; }));
}

TEST_CASE("a Unix socket is its owner's, replaces a stale one, and is removed")
{
  const std::string path = "/tmp/slirpstack-listener-" + std::to_string(::getpid());
  Fixture fixture;
  {
    const auto opened = fixture.listen(UnixPath{path});
    REQUIRE(opened.socket);
    struct stat status = {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == 0600);
    CHECK(fixture.listen(UnixPath{path}).error.code == std::errc::address_in_use);
    auto client = StreamSocket::connect(fixture.sockets, UnixPath{path}, fixture.accepter);
    REQUIRE(client.socket);
    CHECK(run_until(fixture.loop, [&] {
      // Beside it the second listener, which has asked whether anyone is there.
      return fixture.accepter.connected == 1 && fixture.accepter.accepted.size() == 2;
    }));
    CHECK_FALSE(fixture.accepter.accepted[0].peer);
    CHECK(client.socket->remote() == StreamAddress(UnixPath{path}));
  }
  CHECK(::access(path.c_str(), F_OK) < 0);
  // What a killed process leaves behind.
  const auto stale = StreamSocket::connect(fixture.sockets, UnixPath{path}, fixture.accepter);
  CHECK(stale.error.code == std::errc::no_such_file_or_directory);
  REQUIRE(::mknod(path.c_str(), S_IFSOCK | 0600, 0) == 0);
  CHECK(fixture.listen(UnixPath{path}).socket);
}

TEST_CASE("a file that is no socket is not touched")
{
  const std::string path = "/tmp/slirpstack-file-" + std::to_string(::getpid());
  const FileDescriptor file(::open(path.c_str(), O_CREAT | O_RDWR, 0600));
  Fixture fixture;
  CHECK_FALSE(fixture.listen(UnixPath{path}).socket);
  CHECK(::access(path.c_str(), F_OK) == 0);
  ::unlink(path.c_str());
}

TEST_CASE("without descriptors clients wait, and are taken later")
{
  Fixture fixture;
  const auto opened = fixture.listen(Endpoint{LOOPBACK, 0});
  const Client client({LOOPBACK, fixture.port_of(opened)});
  rlimit before = {};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const int next = ::dup(0);
  ::close(next);
  const rlimit none{static_cast<rlim_t>(next), before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  run_quietly(fixture.loop);
  CHECK(fixture.accepter.accepted.empty());
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(run_until(fixture.loop, [&] { return fixture.accepter.accepted.size() == 1; }));
}

TEST_CASE("a client that has ended before it is looked at may have been a guest's")
{
  Fixture fixture;
  const std::string path = "@slirpstack-test-" + std::to_string(::getpid());
  const auto listening = fixture.listen(UnixPath{path});
  REQUIRE(listening.socket);
  const auto connects = [&] {
    const auto address = UnixAddress::of(UnixPath{path});
    FileDescriptor client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(client.get(), address->data(), address->size()) == 0);
    return client;
  };
  const FileDescriptor ours = connects();
  const pid_t child = ::fork();
  if (child == 0) {
    const FileDescriptor client = connects(); // it stays so until we end
    ::_exit(0);
  }
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  const std::vector<AcceptedStream>& accepted = fixture.accepter.accepted;
  fixture.loop.run_until([&] { return accepted.size() == 2; });
  CHECK_FALSE(accepted[0].is_confined);
  CHECK(accepted[1].is_confined);
}
