#include "scenario/tcp_guest.hh"

#include <doctest/doctest.h>

namespace slirpstack {

using namespace std::chrono_literals;

TEST_CASE("what is lost comes again after the retransmission timeout")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.host().has("once");
  world.loses_all();
  CHECK(world.advance(1500ms) > 0);
  CHECK(guest.expects(ACK).data == "once");
  guest.sends(ack());
  guest.host().has(" more");
  CHECK(guest.expects(ACK).data == " more");
  guest.sends(ack());
  world.advance(100ms);
  CHECK(world.gateway.next_deadline() > world.now() + 1h); // no timer is left behind
}

TEST_CASE("three duplicate ACKs bring the lost segment at once, and the stream completes")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  const std::string text = pattern(300000);
  guest.host().has(text);
  world.settle();
  std::vector<std::string> later;
  world.inbox().pop_front(); // lost
  while (!world.inbox().empty()) {
    later.push_back(guest.expects_again(ACK).data);
  }
  REQUIRE(later.size() >= 3);
  for (int i = 0; i < 3; ++i) {
    guest.sends(ack());
  }
  std::string received = guest.expects(ACK).data;
  CHECK(received == text.substr(0, received.size()));
  for (const std::string& piece : later) { // had been kept
    received += piece;
    guest.heard += static_cast<std::uint32_t>(piece.size());
  }
  guest.sends(ack());
  received += guest.receives(text.size() - received.size());
  CHECK(received == text);
}

// lwIP keeps a segment until the whole of it is acknowledged, and may send it again: what it holds
// must live as long.
TEST_CASE("a segment made of small writes, acknowledged in part, is sent again intact")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  const std::string text = pattern(120000);
  guest.host().has(text.substr(0, 60000));
  world.loses_all();
  world.advance(1100ms); // the congestion window is one segment now: small writes gather
  for (std::size_t at = 60000; at < text.size(); at += 1000) {
    guest.host().has(text.substr(at, 1000));
    world.settle();
  }
  guest.hears_all();
  guest.sends(ack());
  const auto gathered = guest.expects_again(ACK);
  REQUIRE(gathered.packet.pieces > 50);
  const std::size_t held = world.pool.used_bytes();
  guest.heard += 1460;
  guest.sends(ack());
  CHECK(world.pool.used_bytes() == held);
  CHECK(world.advance(3s) > 0);
  CHECK(guest.expects_again(ACK).data == gathered.data);
  world.loses_all();
  guest.heard = gathered.tcp.sequence + static_cast<std::uint32_t>(gathered.data.size());
  guest.sends(ack());
  CHECK(world.pool.used_bytes() == 0);
}

TEST_CASE("out-of-order data is told by duplicate ACKs and delivered in order")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.sends(data("world").at(guest.next + 6));
  CHECK(guest.expects(ACK).tcp.acknowledgment == guest.next);
  CHECK(guest.host().sent().empty());
  guest.sends(data("hello "));
  CHECK(guest.host().sent() == "hello world");
}

TEST_CASE("a lone segment is acknowledged within one tick, two full ones at once")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.sends(data("one"));
  guest.expects_nothing();
  world.advance(50ms);
  CHECK(guest.expects(ACK).tcp.acknowledgment == guest.next);

  guest.sends_on(data(pattern(1460)));
  guest.sends(data(pattern(1460)));
  CHECK(guest.expects(ACK).tcp.acknowledgment == guest.next);
  guest.expects_nothing();
}

TEST_CASE("an answer carries the acknowledgment")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.sends(data("ping"));
  guest.host().has("pong");
  CHECK(guest.expects(ACK).tcp.acknowledgment == guest.next);
  world.advance(200ms);
  guest.expects_nothing();
}

} // namespace slirpstack
