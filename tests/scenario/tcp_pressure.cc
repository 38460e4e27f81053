#include "scenario/tcp_guest.hh"

#include <doctest/doctest.h>

namespace slirpstack {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t GUEST_SEGMENT_BYTES = 1460;

/// Sends until the window that we have told is full, acknowledgments heeded. Returns the bytes.
std::size_t fills_the_window(World& world, TcpGuest& guest, std::uint32_t scale)
{
  std::size_t sent = 0;
  std::uint32_t right_edge = guest.next + 65535;
  const std::string segment = pattern(GUEST_SEGMENT_BYTES);
  while (static_cast<std::int32_t>(right_edge - guest.next) > 0) {
    const std::size_t length = std::min<std::size_t>(segment.size(), right_edge - guest.next);
    guest.sends(data(segment.substr(0, length)));
    sent += length;
    if (static_cast<std::int32_t>(right_edge - guest.next) <= 0) {
      world.advance(60ms); // for a delayed ACK
    }
    while (!world.inbox().empty()) {
      const auto answer = guest.expects(ACK);
      right_edge = answer.tcp.acknowledgment + (std::uint32_t{answer.tcp.window} << scale);
    }
  }
  return sent;
}

} // namespace

TEST_CASE("a host that takes nothing closes the guest's window")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.host().blocks_writes();
  const std::size_t window_bytes = 4 << 20;
  const std::size_t sent = fills_the_window(world, guest, 8);
  CHECK(sent <= window_bytes);
  CHECK(sent > window_bytes - 256); // scaled by eight bits
  CHECK(guest.host().sent().empty());
  CHECK(world.pool.used_bytes() < 2 * sent);

  for (int i = 0; i < 100; ++i) {
    guest.sends(data(pattern(GUEST_SEGMENT_BYTES))); // it does not care
  }
  CHECK(world.pool.used_bytes() < 2 * sent);
  world.loses_all();
  guest.host().unblocks_writes();
  const auto update = guest.expects(ACK);
  CHECK((std::size_t{update.tcp.window} << 8U) == window_bytes);
  CHECK(guest.host().sent().size() <= window_bytes);
  CHECK(world.pool.used_bytes() == 0);
  guest.next = update.tcp.acknowledgment;
  guest.sends(data("on"));
  CHECK(guest.host().sent().ends_with("on"));
}

TEST_CASE("a guest without window scaling is held to its 64 KiB and told in time of new room")
{
  World world;
  TcpGuest guest(world);
  guest.connects(plain_syn().mss(1460));
  SUBCASE("a host that stalls, then drains")
  {
    guest.host().blocks_writes();
    CHECK(fills_the_window(world, guest, 0) == 65535);
    guest.host().unblocks_writes();
    CHECK(guest.expects(ACK).tcp.window == 65535);
  }
  SUBCASE("a host that keeps up never lets the window fall far")
  {
    for (int i = 0; i < 100; ++i) {
      guest.sends(data(pattern(GUEST_SEGMENT_BYTES)));
      while (!world.inbox().empty()) {
        CHECK(guest.expects(ACK).tcp.window > 40000);
      }
    }
  }
}

TEST_CASE("a host that takes a little at a time gets everything in order")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.host().blocks_writes();
  const std::string text = pattern(20000);
  for (std::size_t at = 0; at < text.size(); at += 1000) {
    guest.sends(data(text.substr(at, 1000)));
  }
  while (guest.host().sent().size() < text.size()) {
    const std::size_t before = guest.host().sent().size();
    guest.host().takes_at_most(777);
    guest.host().can_write();
    world.settle();
    REQUIRE(guest.host().sent().size() > before); // nothing is forgotten
  }
  CHECK(guest.host().sent() == text);
}

TEST_CASE("against a closed window one byte is read, and persists")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.closes_window();
  guest.host().has(pattern(100000));
  world.settle();
  CHECK(guest.host().unread_bytes() >= 99999);
  guest.expects_nothing();
  world.advance(50ms);
  guest.expects(ACK); // of what closed the window
  world.advance(3s);
  REQUIRE_FALSE(world.inbox().empty());
  CHECK(guest.expects_again(ACK).data == pattern(1)); // the probe
  world.loses_all();
  CHECK(guest.host().unread_bytes() >= 99999);
  guest.keeps_window_closed_for(600s);
  CHECK(guest.host().unread_bytes() >= 99999);

  guest.sends(ack());
  world.advance(100ms);
  CHECK(guest.receives(100000) == pattern(100000));
}

// lwIP lets the persist timer run on when the guest takes the probe's byte, and asserts that there
// is something to probe with.
TEST_CASE("a guest that takes each probe's byte and keeps its window closed gets byte by byte")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.closes_window();
  guest.host().has("abc");
  std::string received;
  for (int i = 0; i < 30; ++i) {
    world.advance(1s);
    received += guest.hears_all();
    guest.sends(ack().advertising(0));
  }
  CHECK(received == "abc");
  world.advance(1min);
  CHECK(world.gateway.stack().ticking() == 0);
}

TEST_CASE("a window that opens little by little is used without silly segments")
{
  World world;
  TcpGuest guest(world);
  guest.window = 100; // scaled by seven: 12800 bytes
  guest.connects();
  guest.host().has(pattern(100000));
  CHECK(guest.expects(ACK).data.size() >= 5 * GUEST_SEGMENT_BYTES / 2);
  std::size_t segments = 0;
  std::size_t bytes = 0;
  for (int i = 0; i < 100; ++i) {
    world.settle();
    while (!world.inbox().empty()) {
      bytes += guest.expects(ACK).data.size();
      ++segments;
      guest.sends(ack());
    }
  }
  CHECK(bytes > 80000);
  CHECK(bytes / segments >= GUEST_SEGMENT_BYTES);
}

TEST_CASE("a window of 1 GB does not make us hold more than our own bound")
{
  World world;
  TcpGuest guest(world);
  guest.connects(plain_syn().mss(1460).window_scale(14));
  guest.sends(ack()); // 65535 << 14
  guest.host().has(pattern(8 << 20));
  world.settle();
  CHECK((8 << 20) - guest.host().unread_bytes() <= (1 << 20));
  CHECK(world.pool.used_bytes() <= (2 << 20));
  CHECK(guest.receives(8 << 20) == pattern(8 << 20));
}

TEST_CASE("many flows in flight stay near the pool's ceiling")
{
  constexpr std::size_t CEILING_BYTES = 4 << 20;
  constexpr std::uint16_t FLOWS = 100;
  World world(World::settings(), CEILING_BYTES);
  std::vector<TcpGuest> guests;
  for (std::uint16_t port = 1; port <= FLOWS; ++port) {
    guests.emplace_back(world, endpoint("10.0.2.100", port));
    guests.back().connects(plain_syn().mss(1460).window_scale(14));
  }
  for (TcpGuest& guest : guests) {
    guest.host().has(pattern(1 << 20));
    world.settle();
  }
  CHECK(world.pool.used_bytes() < CEILING_BYTES + FLOWS * (16 << 10) + (2 << 20));
  for (TcpGuest& guest : guests) {
    guest.sends(rst());
  }
  CHECK(world.pool.used_bytes() == 0);
}

TEST_CASE("guests that fill a stalled host are refused more at the pool's ceiling")
{
  constexpr std::size_t CEILING_BYTES = 4 << 20;
  World world(World::settings(), CEILING_BYTES);
  const std::string segment = pattern(GUEST_SEGMENT_BYTES);
  std::vector<TcpGuest> guests;
  for (std::uint16_t port = 1; port <= 10; ++port) {
    guests.emplace_back(world, endpoint("10.0.2.100", port));
    guests.back().connects();
    guests.back().host().blocks_writes();
  }
  SUBCASE("in order")
  {
    for (TcpGuest& guest : guests) {
      for (int i = 0; i < 1000; ++i) {
        guest.sends(data(segment));
      }
    }
  }
  SUBCASE("behind a hole")
  {
    for (TcpGuest& guest : guests) {
      for (int i = 0; i < 400; ++i) {
        guest.sends(data(segment + segment + segment).at(guest.next + 1 + i * 3 * 1460));
      }
    }
  }
  CHECK(world.pool.used_bytes() < CEILING_BYTES + (64 << 10));
  CHECK(world.gateway.drops().of(Drop::no_memory) > 0);
}

TEST_CASE("at the pool's ceiling acknowledgments still free memory")
{
  World world(World::settings(), 256 << 10);
  TcpGuest guest(world);
  guest.connects();
  guest.host().has(pattern(60000));
  CHECK(guest.expects(ACK).data.size() == 60000);
  guest.host().blocks_writes();
  for (int i = 0; i < 300; ++i) {
    guest.sends(data(pattern(1460)).acknowledging(guest.heard - 60000));
  }
  REQUIRE(world.gateway.drops().of(Drop::no_memory) > 0);
  world.loses_all();
  const std::size_t before = world.pool.used_bytes();
  guest.sends(ack());
  CHECK(world.pool.used_bytes() < before - 50000);
}

} // namespace slirpstack
