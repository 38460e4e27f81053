// Frames as a guest's kernel makes them, or as a guest has it make them: headers in pages, and
// checksums that are left to a device. Only TC sees that.

#include "accel/nat_table.hh"
#include "frame.hh"
#include "frame_socket.hh"
#include "network.hh"

#include <doctest/doctest.h>
#include <sys/socket.h>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

constexpr std::uint16_t L3 = 14;
constexpr std::uint16_t L4 = L3 + 20;
const Frame FROM_FIRST{GATEWAY, FIRST_GUEST, {}};

Packet packet_of(std::uint8_t protocol, std::size_t data_bytes = 20)
{
  Packet packet = between(at("10.0.0.2:5000"), SERVER, protocol);
  packet.data.assign(data_bytes, 'x');
  return packet;
}

bool arrives(const FrameSocket& world)
{
  const auto seen = world.receive_from(EXTERNAL_ADDRESS);
  return seen && seen->destination_port == SERVER.port;
}

bool arrives(const FrameSocket& world, const Bytes& packet, const Making& making)
{
  send_made("first", frame(FROM_FIRST, packet), making);
  return arrives(world);
}

} // namespace

TEST_CASE("a frame leaves translated, however much of it lies together")
{
  const Network network(NatHook::tc);
  const auto nat = network.start();
  shell("ip -n first link set eth0 mtu 9000 && ip link set guest1 mtu 9000"
        " && ip link set external mtu 9000 && ip -n world link set eth0 mtu 9000");
  NatTable<nat_route_key, nat_route> routes(nat->object().map("routes"));
  nat_route way = routes.find({0, 0}).value();
  way.mtu = 9000;
  routes.put({0, 0}, way);
  const FrameSocket world("world");
  for (const std::uint8_t protocol : {PROTOCOL_TCP, PROTOCOL_UDP}) {
    for (const int together : {14, 34, 38, 42, 54, 66, 200}) {
      CAPTURE(protocol);
      CAPTURE(together);
      CHECK(arrives(world,
                    build(packet_of(protocol, 5000)),
                    {.together_bytes = static_cast<std::uint16_t>(together), .sum_from = {}}));
    }
  }
  const FileDescriptor server = socket_in("world", SOCK_DGRAM, SERVER.port);
  send_made("first",
            frame(FROM_FIRST, build(packet_of(PROTOCOL_UDP, 5000))),
            {.together_bytes = 34, .sum_from = {}});
  CHECK(receive(server.get())); // so its checksum is right
}

TEST_CASE("a device writes checksums where they belong, or in data, and nowhere else")
{
  const Network network(NatHook::tc);
  const auto nat = network.start();
  const FrameSocket world("world");
  constexpr std::uint16_t UDP_SUM = 6;
  constexpr std::uint16_t TCP_SUM = 16;
  const auto leaves = [&](Packet packet, std::uint16_t from, std::uint16_t offset) {
    send_made("first",
              frame(FROM_FIRST, build(packet)),
              {.together_bytes = L4, .sum_from = from, .sum_offset = offset});
    Packet last = packet_of(PROTOCOL_UDP);
    last.destination.port = 9;
    send_made("first", frame(FROM_FIRST, build(last)), {.together_bytes = L4, .sum_from = {}});
    const auto seen = world.receive_from(EXTERNAL_ADDRESS);
    REQUIRE(seen);
    return seen->destination_port != last.destination.port && world.receive_from(EXTERNAL_ADDRESS);
  };
  const Packet udp = packet_of(PROTOCOL_UDP);
  const Packet tcp = packet_of(PROTOCOL_TCP);
  CHECK(leaves(udp, L4, UDP_SUM));
  CHECK(leaves(tcp, L4, TCP_SUM));
  CHECK(leaves(udp, L4 + 8, UDP_SUM)); // a tunnel's inner one
  // The kernel of the guest itself refuses some of the others.
  constexpr std::uint16_t FROM = IPV4_HEADER_BYTES;
  for (std::uint16_t place = FROM; place < L4 + 8; ++place) {
    CAPTURE(place);
    CHECK_FALSE(leaves(udp, FROM, static_cast<std::uint16_t>(place - FROM)));
  }
  CHECK_FALSE(leaves(udp, L4 - 2, UDP_SUM + 2)); // the right place, but another sum
  CHECK_FALSE(leaves(tcp, L4, UDP_SUM));
  CHECK_FALSE(leaves(tcp, L4, 19)); // half in the header
  Packet ping = packet_of(PROTOCOL_ICMP);
  ping.destination.port = 0;
  CHECK_FALSE(leaves(ping, L4, 2));
}
