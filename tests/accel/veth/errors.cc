#include "nat_view.hh"
#include "network.hh"

#include <cerrno>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

void send_with_one_hop(int socket)
{
  const int hops = 1;
  REQUIRE(::setsockopt(socket, IPPROTO_IP, IP_TTL, &hops, sizeof(hops)) == 0);
}

} // namespace

TEST_CASE("a guest is told that another guest's port is closed")
{
  FOR_BOTH_NETWORKS(network)
  {
    const auto nat = network.start();
    const FileDescriptor server = socket_in("world", SOCK_DGRAM, SERVER.port);
    Endpoint closed;
    {
      const FileDescriptor second = socket_in("second", SOCK_DGRAM);
      closed = external_of(second.get(), server.get());
    }
    const FileDescriptor first = socket_in("first", SOCK_DGRAM);
    connect_to(first.get(), closed);
    CHECK(error_after_sending(first.get()) == ECONNREFUSED);
    CHECK(counted(*nat, NAT_HAIRPIN) == 1);
    CHECK(counted(*nat, NAT_ICMP_ERROR_OUT) == 1);
  }
}

TEST_CASE("the world is told that a guest's port is closed")
{
  FOR_BOTH_NETWORKS(network)
  {
    const auto nat = network.start();
    const FileDescriptor server = socket_in("world", SOCK_DGRAM, SERVER.port);
    Endpoint closed;
    {
      const FileDescriptor guest = socket_in("first", SOCK_DGRAM);
      closed = external_of(guest.get(), server.get());
    }
    connect_to(server.get(), closed);
    CHECK(error_after_sending(server.get()) == ECONNREFUSED);
  }
}

TEST_CASE("a packet on its last hop is answered, whichever way it goes")
{
  FOR_BOTH_NETWORKS(network)
  {
    const auto nat = network.start();
    const FileDescriptor server = socket_in("world", SOCK_DGRAM, SERVER.port);
    const FileDescriptor guest = socket_in("first", SOCK_DGRAM);
    const Endpoint external = external_of(guest.get(), server.get());
    const FileDescriptor last_hop = socket_in("first", SOCK_DGRAM);
    connect_to(last_hop.get(), SERVER);
    send_with_one_hop(last_hop.get());
    CHECK(error_after_sending(last_hop.get()) == EHOSTUNREACH);
    connect_to(server.get(), external);
    send_with_one_hop(server.get());
    CHECK(error_after_sending(server.get()) == EHOSTUNREACH);
    CHECK(counted(*nat, NAT_DROP_HOP_LIMIT) == 2);
  }
}
