#include "network.hh"
#include "witness.hh"

#include <array>
#include <cstdint>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

/// One question and its answer between a guest and the world.
void expect_a_round_trip(int guest, int server)
{
  const Endpoint external = external_of(guest, server);
  CHECK(external.address == EXTERNAL_ADDRESS);
  send_to(server, "answer", external);
  const auto answer = receive(guest);
  REQUIRE(answer);
  CHECK(answer->from == SERVER);
}

/// The addresses of a namespace's eth0 move to VLAN 7 on it.
void move_to_vlan(const char* space, const char* address, const char* route)
{
  shell("ip -n " + std::string(space) + " address flush dev eth0 && ip -n " + space
        + " link add link eth0 name vlan7 type vlan id 7 && ip -n " + space
        + " link set vlan7 up && ip -n " + space + " address add " + address
        + " dev vlan7 && ip -n " + space + " route add " + route);
}

} // namespace

TEST_CASE("IP options pass")
{
  FOR_BOTH_NETWORKS(network)
  {
    const auto nat = network.start();
    const FileDescriptor server = socket_in("world", SOCK_DGRAM, SERVER.port);
    const FileDescriptor guest = socket_in("first", SOCK_DGRAM);
    const std::array<std::uint8_t, 8> record_route = {7, 7, 4, 0, 0, 0, 0, 0};
    for (const int socket : {guest.get(), server.get()}) {
      REQUIRE(
        ::setsockopt(socket, IPPROTO_IP, IP_OPTIONS, record_route.data(), record_route.size())
        == 0);
    }
    expect_a_round_trip(guest.get(), server.get());
  }
}

TEST_CASE("a VLAN's frames are translated and stay in it")
{
  FOR_BOTH_NETWORKS(network)
  {
    move_to_vlan("first",
                 "10.0.0.2/24",
                 "default via 10.0.0.1 && ip -n first neighbour add 10.0.0.1 lladdr "
                 "02:00:00:00:01:01 dev vlan7 nud permanent");
    move_to_vlan("world",
                 "198.51.100.9/24",
                 "203.0.113.0/24 dev vlan7 && ip -n world neighbour add 203.0.113.1 lladdr "
                 "02:00:00:00:01:03 dev vlan7 nud permanent");
    const auto nat = network.start();
    const FileDescriptor server = socket_in("world", SOCK_DGRAM, SERVER.port);
    const FileDescriptor guest = socket_in("first", SOCK_DGRAM);
    expect_a_round_trip(guest.get(), server.get());
  }
}
