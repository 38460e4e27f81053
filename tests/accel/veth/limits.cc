#include "accel/expiry.hh"
#include "nat_view.hh"
#include "network.hh"
#include "witness.hh"

#include <cerrno>
#include <doctest/doctest.h>
#include <sys/socket.h>

using namespace slirpstack;
using namespace slirpstack::test;
using namespace std::chrono_literals;

namespace {

void give_two_ports(nat_settings& settings)
{
  settings.port_first = 7000;
  settings.port_last = 7001;
}

bool is_one_of_two(const Endpoint& external)
{
  return external.address == EXTERNAL_ADDRESS && (external.port == 7000 || external.port == 7001);
}

} // namespace

TEST_CASE("without a free port a guest gets an error, nothing of it gets out, and ports come back")
{
  FOR_BOTH_NETWORKS(network)
  {
    const auto nat = network.start(give_two_ports);
    NatExpiry expiry(nat->object(), {.quarantine = 60s});
    Witness world;
    const FileDescriptor server = socket_in("world", SOCK_DGRAM, SERVER.port);
    const FileDescriptor one = socket_in("first", SOCK_DGRAM);
    const FileDescriptor two = socket_in("second", SOCK_DGRAM);
    CHECK(is_one_of_two(external_of(one.get(), server.get())));
    CHECK(is_one_of_two(external_of(two.get(), server.get())));
    const FileDescriptor three = socket_in("first", SOCK_DGRAM);
    connect_to(three.get(), SERVER);
    CHECK(error_after_sending(three.get()) == EHOSTUNREACH);
    CHECK(counted(*nat, NAT_DROP_EXHAUSTED) == 1);
    CHECK(counted(*nat, NAT_ANSWERED) == 1);

    const auto silence = kernel_time() + 300s + NatExpiry::Timeouts{}.lag();
    CHECK(expiry.sweep(silence).bindings == 2);
    CHECK(error_after_sending(three.get()) == EHOSTUNREACH); // nobody's, but not free yet
    CHECK(expiry.sweep(silence + 59s).ports == 0);
    CHECK(expiry.sweep(silence + 60s).ports == 2);
    CHECK(is_one_of_two(external_of(three.get(), server.get())));
    CHECK_FALSE(world.saw_inside());
  }
}

TEST_CASE("a TCP connection that gets no port is told at once")
{
  FOR_BOTH_NETWORKS(network)
  {
    const auto nat = network.start(give_two_ports);
    const FileDescriptor server = socket_in("world", SOCK_STREAM, SERVER.port);
    REQUIRE(::listen(server.get(), 3) == 0);
    const FileDescriptor one = socket_in("first", SOCK_STREAM);
    const FileDescriptor two = socket_in("first", SOCK_STREAM);
    const FileDescriptor three = socket_in("first", SOCK_STREAM);
    connect_to(one.get(), SERVER);
    connect_to(two.get(), SERVER);
    CHECK_THROWS(connect_to(three.get(), SERVER));
    CHECK(counted(*nat, NAT_DROP_EXHAUSTED) >= 1);
    CHECK(counted(*nat, NAT_ANSWERED) >= 1);
  }
}

TEST_CASE("a guest beyond its quota gets an error, and nothing of it gets out")
{
  FOR_BOTH_NETWORKS(network)
  {
    const auto nat = network.start([](nat_settings& settings) { settings.quota = 1; });
    Witness world;
    const FileDescriptor server = socket_in("world", SOCK_DGRAM, SERVER.port);
    const FileDescriptor within = socket_in("first", SOCK_DGRAM);
    const Endpoint external = external_of(within.get(), server.get());
    const FileDescriptor beyond = socket_in("first", SOCK_DGRAM);
    connect_to(beyond.get(), SERVER);
    CHECK(error_after_sending(beyond.get()) == EHOSTUNREACH);
    CHECK(counted(*nat, NAT_DROP_QUOTA) == 1);
    CHECK(external_of(within.get(), server.get()) == external);
    const FileDescriptor other = socket_in("second", SOCK_DGRAM);
    CHECK(external_of(other.get(), server.get()).address == EXTERNAL_ADDRESS);
    CHECK_FALSE(world.saw_inside());
  }
}
