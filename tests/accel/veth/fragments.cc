#include "accel/early_fragments.hh"
#include "frame.hh"
#include "nat_view.hh"
#include "network.hh"
#include "tap.hh"
#include "witness.hh"

#include <doctest/doctest.h>
#include <functional>
#include <poll.h>
#include <sys/socket.h>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

const Endpoint GUEST = at("10.0.0.2:5000");
constexpr std::uint16_t FORWARDED = 8080;
constexpr std::size_t PIECE = 64;

/// A datagram of the first guest in three pieces, or another one.
struct Pieces
{
  explicit Pieces(std::uint16_t identification,
                  const Endpoint& source = GUEST,
                  const Endpoint& destination = SERVER)
  {
    Packet packet;
    packet.source = source;
    packet.destination = destination;
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

/// Who holds early fragments, as long as one of the calls takes.
class Holder
{
public:
  explicit Holder(NatAccelerator& nat) : early_(loop_, nat), tick_(loop_, [this] { tick(); }) {}

  /// Returns false if that is not so within four seconds.
  bool works_until(const std::function<bool()>& done)
  {
    const TimePoint end = Clock::now() + std::chrono::seconds(4);
    tick();
    bool is_done = false;
    loop_.run_until([&] { return (is_done = done()) || Clock::now() >= end; });
    return is_done;
  }
  bool works_until_readable(int socket)
  {
    return works_until([socket] {
      pollfd waiting{socket, POLLIN, 0};
      return ::poll(&waiting, 1, 0) == 1;
    });
  }
  [[nodiscard]] std::size_t frames() const { return early_.held().frames(); }

private:
  void tick() { tick_.set(Clock::now() + std::chrono::milliseconds(10)); }

  Loop loop_;
  EarlyFragments early_;
  Timer tick_;
};

void hold_fragments(nat_settings& settings)
{
  settings.flags |= NAT_HOLDS_FRAGMENTS;
}

/// As with a slirpstack that makes the bindings.
void ask_slirpstack(nat_settings& settings)
{
  settings.flags = NAT_HOLDS_FRAGMENTS | NAT_REDIRECT_PEER;
}

/// From whom the socket gets the datagram, which has to be whole, once its fragments have met.
Endpoint wholly_received(Holder& holder, int socket, const Pieces& pieces)
{
  REQUIRE(holder.works_until_readable(socket));
  const auto arrived = receive(socket);
  REQUIRE(arrived);
  CHECK(arrived->data == pieces.text);
  return arrived->from;
}

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

TEST_CASE("a fragment before the first that nobody holds is dropped, counted and leaks nothing")
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

TEST_CASE("a guest's fragments before the first wait for it, and the datagram is whole")
{
  FOR_BOTH_NETWORKS(network)
  {
    const auto nat = network.start(hold_fragments);
    Holder holder(*nat);
    Witness world;
    const FileDescriptor server = socket_in("world", SOCK_DGRAM, SERVER.port);
    const Pieces early(1);
    for (const Bytes& piece : {early.third, early.second, early.first}) {
      send_packet("first", piece);
    }
    CHECK(wholly_received(holder, server.get(), early).address == EXTERNAL_ADDRESS);
    CHECK(counted(*nat, NAT_HELD) == 2);
    CHECK(counted(*nat, NAT_DROP_FRAGMENT) == 0);
    CHECK(holder.frames() == 0);
    CHECK_FALSE(world.saw_inside());
  }
}

TEST_CASE("fragments from outside before the first wait for it, and the datagram is whole")
{
  FOR_BOTH_NETWORKS(network)
  {
    const auto nat = network.start(hold_fragments);
    Holder holder(*nat);
    add_forward(*nat, PROTOCOL_UDP, FORWARDED, GUEST);
    const FileDescriptor guest = socket_in("first", SOCK_DGRAM, GUEST.port);
    const Pieces early(1, SERVER, {EXTERNAL_ADDRESS, FORWARDED});
    send_packet("world", early.third);
    REQUIRE(holder.works_until([&] { return holder.frames() == 1; }));
    send_packet("world", early.second);
    send_packet("world", early.first);
    CHECK(wholly_received(holder, guest.get(), early) == SERVER);
    CHECK(counted(*nat, NAT_DROP_FRAGMENT) == 0);
  }
}

TEST_CASE("one guest's fragments before the first reach another by its external address")
{
  FOR_BOTH_NETWORKS(network)
  {
    const auto nat = network.start(hold_fragments);
    Holder holder(*nat);
    add_forward(*nat, PROTOCOL_UDP, FORWARDED, GUEST);
    const FileDescriptor guest = socket_in("first", SOCK_DGRAM, GUEST.port);
    const Pieces early(1, at("10.0.0.3:6000"), {EXTERNAL_ADDRESS, FORWARDED});
    for (const Bytes& piece : {early.second, early.third, early.first}) {
      send_packet("second", piece);
    }
    CHECK(wholly_received(holder, guest.get(), early).address == EXTERNAL_ADDRESS);
  }
}

TEST_CASE("a carried flow's fragments before the first wait for it beside slirpstack")
{
  FOR_BOTH_NETWORKS(network)
  {
    const auto nat = network.start(ask_slirpstack);
    Holder holder(*nat);
    Tap tap(*nat);
    add_forward(*nat, PROTOCOL_UDP, FORWARDED, GUEST); // makes the binding
    const FileDescriptor server = socket_in("world", SOCK_DGRAM, SERVER.port);
    const Pieces early(1);
    for (const Bytes& piece : {early.third, early.second, early.first}) {
      send_packet("first", piece);
    }
    CHECK(wholly_received(holder, server.get(), early) == Endpoint{EXTERNAL_ADDRESS, FORWARDED});
    CHECK(counted(*nat, NAT_TO_SLIRPSTACK) == 0);
  }
}

TEST_CASE(
  "of a flow that is new all fragments come to slirpstack, which gives them back in any order")
{
  FOR_BOTH_NETWORKS(network)
  {
    const auto nat = network.start(ask_slirpstack);
    Holder holder(*nat);
    Tap tap(*nat);
    const FileDescriptor server = socket_in("world", SOCK_DGRAM, SERVER.port);
    const Pieces early(1);
    for (const Bytes& piece : {early.third, early.second, early.first}) {
      send_packet("first", piece);
    }
    REQUIRE(holder.works_until([&] { return counted(*nat, NAT_TO_SLIRPSTACK) == 3; }));
    std::vector<Bytes> frames;
    for (int i = 0; i < 3; ++i) {
      frames.push_back(tap.read_frame());
      REQUIRE_FALSE(frames.back().empty());
    }
    add_forward(*nat, PROTOCOL_UDP, FORWARDED, GUEST); // makes the binding
    for (const Bytes& each : frames) {                 // the first is the first of them
      tap.write_frame(each);
    }
    const auto arrived = receive(server.get());
    REQUIRE(arrived);
    CHECK(arrived->data == early.text);
    CHECK(arrived->from == Endpoint{EXTERNAL_ADDRESS, FORWARDED});
  }
}

TEST_CASE("a fragment whose first never comes is dropped and counted after two seconds")
{
  FOR_BOTH_NETWORKS(network)
  {
    const auto nat = network.start(hold_fragments);
    Holder holder(*nat);
    Witness world;
    send_packet("first", Pieces(1).third);
    REQUIRE(holder.works_until([&] { return holder.frames() == 1; }));
    CHECK(counted(*nat, NAT_DROP_FRAGMENT) == 0);
    const TimePoint began = Clock::now();
    CHECK(holder.works_until([&] { return counted(*nat, NAT_DROP_FRAGMENT) == 1; }));
    CHECK(Clock::now() - began > std::chrono::milliseconds(1800));
    CHECK(holder.frames() == 0);
    CHECK_FALSE(world.saw_inside());
  }
}
