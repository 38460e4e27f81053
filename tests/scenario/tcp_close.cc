#include "scenario/tcp_guest.hh"

#include <cerrno>
#include <doctest/doctest.h>

namespace slirpstack {

using namespace std::chrono_literals;

TEST_CASE("the guest closes first")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.sends(data("bye").with(TCP_FLAG_FIN));
  CHECK(guest.host().sent() == "bye");
  CHECK(guest.host().shut_down());
  CHECK_FALSE(guest.host().closed());
  world.loses_all(); // the acknowledgment

  guest.host().eof();
  CHECK(guest.expects(FIN_ACK).tcp.acknowledgment == guest.next);
  CHECK(guest.host().closed());
  CHECK(world.gateway.flows().size() == 1); // LAST_ACK
  guest.sends(ack());
  CHECK(world.gateway.flows().size() == 0);
  guest.expects_nothing();
}

// A reader in the guest that pauses: its kernel answers each FIN but takes none (Linux drops a FIN
// that comes to a closed window), so lwIP's 4 s in LAST_ACK say nothing about the guest.
TEST_CASE("a FIN that a closed window keeps out stays on offer")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.sends(fin());
  guest.sends(ack().advertising(0));
  world.loses_all();
  guest.host().eof();
  const std::uint32_t before = guest.heard;
  guest.expects(FIN_ACK);
  guest.heard = before; // not taken
  for (int seconds = 0; seconds < 60; ++seconds) {
    world.advance(1s);
    if (!world.inbox().empty()) {
      world.loses_all();
      guest.sends(ack().acknowledging(before).advertising(0));
    }
  }
  CHECK(world.gateway.flows().size() == 1);
  guest.sends(ack().acknowledging(before));
  world.advance(60s);
  guest.expects(FIN_ACK);
  world.loses_all();
  guest.sends(ack());
  CHECK(world.gateway.flows().size() == 0);
  guest.expects_nothing();
}

TEST_CASE("the host closes first, and the name rests for 2 MSL")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.host().eof();
  guest.expects(FIN_ACK);
  guest.sends(ack());
  CHECK_FALSE(guest.host().closed());
  guest.sends(fin());
  CHECK(guest.expects(ACK).tcp.acknowledgment == guest.next);
  CHECK(guest.host().closed());
  CHECK_FALSE(guest.host().was_reset());
  world.advance(3900ms);
  CHECK(world.gateway.flows().size() == 1);
  world.advance(200ms);
  CHECK(world.gateway.flows().size() == 0);
  guest.expects_nothing();
}

// The usual end of a request with an answer: nothing may wait for the guest's retransmission.
TEST_CASE("the guest's last data and its FIN in one segment are acknowledged at once")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.host().eof();
  guest.expects(FIN_ACK);
  guest.sends(ack());
  guest.sends(data("last words").with(TCP_FLAG_FIN));
  CHECK(guest.expects(ACK).tcp.acknowledgment == guest.next);
  CHECK(guest.host().sent() == "last words");
  CHECK(guest.host().shut_down());
}

TEST_CASE("both close at the same time")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.host().eof();
  const std::uint32_t before = guest.heard;
  guest.expects(FIN_ACK);
  guest.sends(fin().acknowledging(before)); // sent before ours came
  CHECK(guest.expects(ACK).tcp.acknowledgment == guest.next);
  guest.sends(ack());
  CHECK(guest.host().closed());
  world.advance(4100ms);
  CHECK(world.gateway.flows().size() == 0);
}

TEST_CASE("after the guest's half-close the host's data still comes")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.sends(fin());
  CHECK(guest.host().shut_down());
  world.advance(10min);
  world.loses_all();
  guest.host().has("the answer");
  CHECK(guest.expects(ACK).data == "the answer");
  guest.sends(ack());
  guest.host().eof();
  guest.expects(FIN_ACK);
  guest.sends(ack());
  CHECK(world.gateway.flows().size() == 0);
  CHECK_FALSE(guest.host().was_reset());
}

TEST_CASE("after the host's half-close the guest's data still goes out")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.host().eof();
  guest.expects(FIN_ACK);
  guest.sends(ack());
  world.advance(10min);
  guest.sends(data("more"));
  CHECK(guest.host().sent() == "more");
  CHECK_FALSE(guest.host().shut_down());
}

TEST_CASE("the host's data goes out before its FIN")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.host().has(pattern(3000));
  guest.host().eof();
  CHECK(guest.expects(ACK).data == pattern(3000));
  guest.expects(FIN_ACK);
}

TEST_CASE("a FIN that waits for a blocked host does not close anything early")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.host().blocks_writes();
  guest.sends(data("slowly").with(TCP_FLAG_FIN));
  guest.host().eof();
  CHECK_FALSE(guest.host().shut_down());
  world.loses_all();
  guest.sends(ack().acknowledging(guest.heard + 1));
  CHECK_FALSE(guest.host().closed());
  guest.host().unblocks_writes();
  world.settle();
  CHECK(guest.host().sent() == "slowly");
  CHECK(guest.host().closed());
  CHECK_FALSE(guest.host().was_reset());
}

// lwIP takes a connection in LAST_ACK down after 2 MSL of silence. A guest that has half-closed and
// reads slowly must get it all: what does not fit its window is still the host's.
TEST_CASE("a half-closed guest may take its time to read the rest")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.closes_window(); // it is busy with something else
  guest.sends(fin().advertising(0));
  world.loses_all();
  const std::string text = pattern(20000);
  guest.host().has(text);
  guest.host().eof();
  guest.keeps_window_closed_for(120s);
  guest.sends(ack());
  std::string received;
  for (int i = 0; i < 20 && received.size() < text.size(); ++i) {
    world.advance(1s);
    received += guest.hears_all();
    guest.sends(ack());
  }
  CHECK(received == text);
  world.advance(5s);
  CHECK(world.gateway.flows().size() == 0);
}

TEST_CASE("a LAST_ACK that is never answered ends")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.sends(fin());
  guest.host().eof();
  world.advance(10min);
  CHECK(world.gateway.flows().size() == 0);
  CHECK(world.pool.used_bytes() == 0);
}

// RFC 6191, RFC 1122 4.2.2.13.
TEST_CASE("a reused port opens a new connection while the old one waits")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.host().eof();
  guest.expects(FIN_ACK);
  guest.sends(fin());
  guest.expects(ACK);
  CHECK(world.gateway.flows().size() == 1); // TIME_WAIT

  TcpGuest again(world);
  again.next = guest.next + 100;
  again.connects();
  again.sends(data("new"));
  CHECK(again.host().sent() == "new");
  CHECK(guest.host().sent().empty());
  CHECK(world.gateway.flows().size() == 1);
}

TEST_CASE("a port reused while its last ACK is missing opens a new connection")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.sends(fin());
  guest.host().eof();
  world.loses_all(); // LAST_ACK, and our FIN on its way

  TcpGuest again(world);
  again.next = guest.next + 100;
  again.sends(syn());
  REQUIRE(world.host.streams() == 2);
  world.host.stream(1).connects();
  world.settle();
  CHECK(world.gateway.flows().size() == 1);
}

TEST_CASE("a new SYN does not cut off what the host has still to take")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.host().blocks_writes();
  guest.host().eof();
  guest.expects(FIN_ACK);
  guest.sends(data("all of this").with(TCP_FLAG_FIN));
  world.loses_all();

  TcpGuest again(world);
  again.next = guest.next + 100000;
  again.sends(syn()); // the guest's kernel has forgotten the name; it will try again
  again.expects_nothing();
  CHECK(world.host.streams() == 1);
  guest.host().unblocks_writes();
  world.settle();
  CHECK(guest.host().sent() == "all of this");
  CHECK(guest.host().closed());
  again.sends(syn().at(again.next - 1));
  CHECK(world.host.streams() == 2);
}

TEST_CASE("a SYN with another number within a live connection is challenged, not obeyed")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.sends(syn().at(guest.next + 5000000));
  CHECK(guest.expects(ACK).tcp.acknowledgment == guest.next);
  guest.sends(data("still here"));
  CHECK(guest.host().sent() == "still here");
}

TEST_CASE("the gateway's end resets the guests' connections")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  world.gateway.close_all();
  guest.expects(RST_ACK);
  CHECK(guest.host().closed());
  CHECK(world.pool.used_bytes() == 0);
}

} // namespace slirpstack
