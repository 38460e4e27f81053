#include "frame.hh"
#include "nat_view.hh"
#include "network.hh"
#include "tap.hh"
#include "witness.hh"

#include <doctest/doctest.h>
#include <sys/socket.h>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

const Endpoint GUEST = at("10.0.0.2:5000");
constexpr std::size_t PIECE = 64;

/// A datagram of the first guest in three pieces.
struct Pieces
{
  explicit Pieces(std::uint16_t identification)
  {
    Packet packet;
    packet.source = GUEST;
    packet.destination = SERVER;
    packet.identification = identification;
    packet.data.assign(3 * PIECE - 8, static_cast<std::uint8_t>('a' + identification));
    text = std::string(packet.data.begin(), packet.data.end());
    const Bytes whole = build(packet);
    first = fragment(whole, 0, PIECE, true);
    second = fragment(whole, PIECE, PIECE, true);
    third = fragment(whole, 2 * PIECE, PIECE, false);
  }

  std::string text;
  Bytes first, second, third;
};

} // namespace

TEST_CASE("fragments pass in any order once the first one has been seen")
{
  FOR_BOTH_NETWORKS(network)
  {
    const auto nat = network.start();
    const FileDescriptor server = socket_in("world", SOCK_DGRAM, SERVER.port);
    const Pieces in_order(1);
    for (const Bytes& piece : {in_order.first, in_order.second, in_order.third}) {
      send_packet("first", piece);
    }
    auto arrived = receive(server.get());
    REQUIRE(arrived);
    CHECK(arrived->data == in_order.text);
    const Pieces swapped(2);
    for (const Bytes& piece : {swapped.first, swapped.third, swapped.second}) {
      send_packet("first", piece);
    }
    arrived = receive(server.get());
    REQUIRE(arrived);
    CHECK(arrived->data == swapped.text);
    CHECK(counted(*nat, NAT_DROP_FRAGMENT) == 0);
  }
}

TEST_CASE("a fragment before the first is dropped and counted, and leaks nothing")
{
  FOR_BOTH_NETWORKS(network)
  {
    const auto nat = network.start();
    Witness world;
    const FileDescriptor server = socket_in("world", SOCK_DGRAM, SERVER.port);
    const Pieces early(1);
    for (const Bytes& piece : {early.third, early.first, early.second}) {
      send_packet("first", piece);
    }
    const Pieces good(2);
    for (const Bytes& piece : {good.first, good.second, good.third}) {
      send_packet("first", piece);
    }
    const auto arrived = receive(server.get());
    REQUIRE(arrived);
    CHECK(arrived->data == good.text);
    CHECK(counted(*nat, NAT_DROP_FRAGMENT) == 1);
    CHECK_FALSE(world.saw_inside());
  }
}

TEST_CASE("slirpstack keeps a fragment before the first, gives it back, and the datagram is whole")
{
  FOR_BOTH_NETWORKS(network)
  {
    const auto nat = network.start();
    Tap tap(*nat);
    const FileDescriptor server = socket_in("world", SOCK_DGRAM, SERVER.port);
    const Pieces early(1);
    send_packet("first", early.third);
    const Bytes kept = tap.read_frame();
    REQUIRE_FALSE(kept.empty());
    send_packet("first", early.first);
    send_packet("first", early.second);
    tap.write_frame(kept);
    const auto arrived = receive(server.get());
    REQUIRE(arrived);
    CHECK(arrived->data == early.text);
    CHECK(arrived->from.address == EXTERNAL_ADDRESS);
  }
}
