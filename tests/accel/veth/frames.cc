#include "frame.hh"
#include "frame_socket.hh"
#include "network.hh"

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

constexpr std::uint16_t VLAN = 7;

/// A datagram with the tag; not every kernel has VLAN interfaces.
Bytes tagged(const Frame& around, const Endpoint& source, const Endpoint& destination)
{
  Packet packet;
  packet.source = source;
  packet.destination = destination;
  Frame with_tag = around;
  with_tag.vlan = VLAN;
  return frame(with_tag, build(packet));
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
      REQUIRE(::setsockopt(socket, IPPROTO_IP, IP_OPTIONS, record_route.data(), record_route.size())
              == 0);
    }
    expect_a_round_trip(guest.get(), server.get());
  }
}

TEST_CASE("a VLAN's frames are translated and stay in it")
{
  FOR_BOTH_NETWORKS(network)
  {
    const auto nat = network.start();
    const FrameSocket guest("first");
    const FrameSocket world("world");
    const Endpoint inside = at("10.0.0.2:5000");
    guest.send(tagged({GATEWAY, FIRST_GUEST, {}}, inside, SERVER));
    const auto question = world.receive_from(EXTERNAL_ADDRESS);
    REQUIRE(question);
    CHECK(question->vlan == VLAN);
    const Endpoint external{EXTERNAL_ADDRESS, question->source_port};
    world.send(tagged({EXTERNAL, WORLD, {}}, SERVER, external));
    const auto answer = guest.receive_from(SERVER.address);
    REQUIRE(answer);
    CHECK(answer->vlan == VLAN);
    CHECK(answer->destination_port == inside.port);
  }
}
