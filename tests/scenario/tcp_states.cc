#include "scenario/tcp_guest.hh"

#include <array>
#include <doctest/doctest.h>
#include <functional>

namespace slirpstack {

using namespace std::chrono_literals;

namespace {

/// A way into one state of RFC 9293 3.3.2, or a variant of it with data waiting.
struct State
{
  const char* name;
  std::function<void(World&, TcpGuest&)> enter;
};

void close_by_host(World& world, TcpGuest& guest)
{
  guest.host().eof();
  world.settle();
  world.loses_all();
}

const std::vector<State>& states()
{
  static const std::vector<State> all{
    {"no flow", [](World&, TcpGuest&) {}},
    {"opening", [](World&, TcpGuest& guest) { guest.sends(syn()); }},
    {"SYN_RCVD",
     [](World& world, TcpGuest& guest) {
       guest.sends(syn());
       world.host.stream(world.host.streams() - 1).connects();
       guest.expects(SYN_ACK);
     }},
    {"ESTABLISHED", [](World&, TcpGuest& guest) { guest.connects(); }},
    {"ESTABLISHED, data in flight",
     [](World& world, TcpGuest& guest) {
       guest.connects();
       guest.host().has(pattern(100000));
       world.loses_all();
     }},
    {"ESTABLISHED, window closed",
     [](World& world, TcpGuest& guest) {
       guest.connects();
       guest.closes_window();
       guest.host().has(pattern(100000));
       world.advance(500ms);
       world.loses_all();
     }},
    {"ESTABLISHED, host stalled and a hole",
     [](World& world, TcpGuest& guest) {
       guest.connects();
       guest.host().blocks_writes();
       guest.sends(data("waits"));
       guest.sends(data("far").at(guest.next + 5));
       world.loses_all();
     }},
    {"CLOSE_WAIT",
     [](World& world, TcpGuest& guest) {
       guest.connects();
       guest.sends(fin());
       world.loses_all();
     }},
    {"FIN_WAIT_1",
     [](World& world, TcpGuest& guest) {
       guest.connects();
       close_by_host(world, guest);
     }},
    {"FIN_WAIT_1, window closed",
     [](World& world, TcpGuest& guest) {
       guest.connects();
       guest.closes_window();
       guest.host().has("x");
       close_by_host(world, guest);
     }},
    {"FIN_WAIT_2",
     [](World& world, TcpGuest& guest) {
       guest.connects();
       close_by_host(world, guest);
       guest.sends(ack().acknowledging(++guest.heard));
     }},
    {"CLOSING",
     [](World& world, TcpGuest& guest) {
       guest.connects();
       close_by_host(world, guest);
       guest.sends(fin());
       world.loses_all();
     }},
    {"LAST_ACK",
     [](World& world, TcpGuest& guest) {
       guest.connects();
       guest.sends(fin());
       close_by_host(world, guest);
     }},
    {"TIME_WAIT",
     [](World& world, TcpGuest& guest) {
       guest.connects();
       close_by_host(world, guest);
       ++guest.heard;
       guest.sends(fin());
       world.loses_all();
     }},
    {"TIME_WAIT, host stalled",
     [](World& world, TcpGuest& guest) {
       guest.connects();
       guest.host().blocks_writes();
       close_by_host(world, guest);
       ++guest.heard;
       guest.sends(data("waits").with(TCP_FLAG_FIN));
       world.loses_all();
     }},
  };
  return all;
}

/// Every combination of the six classic flags with right and wrong numbers, with and without data.
constexpr std::size_t SEGMENTS = std::size_t{64} * 4 * 3 * 2;

Segment segment_number(std::size_t number, const TcpGuest& guest)
{
  Segment segment;
  segment.flags = static_cast<std::uint8_t>(number % 64);
  number /= 64;
  const std::array<std::uint32_t, 4> sequences{
    guest.next, guest.next - 1, guest.next + 3, guest.next + 100000000};
  segment.sequence = sequences.at(number % 4);
  number /= 4;
  const std::array<std::uint32_t, 3> acknowledgments{
    guest.heard, guest.heard + 1, guest.heard + 70000};
  segment.acknowledgment = acknowledgments.at(number % 3);
  segment.data = number / 3 == 1 ? "data" : "";
  return segment;
}

/// What must hold whatever has happened: the world still works.
void check_world(World& world, std::uint16_t port)
{
  TcpGuest bystander(world, endpoint("10.0.2.100", port), endpoint("192.0.2.9", 9));
  bystander.connects();
  bystander.sends(data("ping"));
  bystander.host().has("pong");
  CHECK(bystander.expects(ACK).data == "pong");
  world.gateway.close_all();
  world.loses_all();
  CHECK(world.pool.used_bytes() == 0);
  CHECK(world.gateway.stack().ticking() == 0);
  CHECK(world.gateway.flows().size() == 0);
}

/// Runs `event` in every state with every segment, each on a flow of its own.
void for_every_state_and_segment(
  const std::function<void(World&, TcpGuest&, const Segment&)>& event)
{
  constexpr std::uint16_t BYSTANDER = 60000;
  for (const State& state : states()) {
    CAPTURE(state.name);
    World world;
    for (std::size_t i = 0; i < SEGMENTS; ++i) {
      CAPTURE(i);
      TcpGuest guest(world, endpoint("10.0.2.100", static_cast<std::uint16_t>(1 + i)));
      state.enter(world, guest);
      world.loses_all();
      event(world, guest, segment_number(i, guest));
      world.loses_all();
      CHECK(world.gateway.stack().lists_are_empty());
    }
    check_world(world, BYSTANDER);
  }
}

} // namespace

TEST_CASE("every segment in every state leaves the other flows and the memory whole")
{
  SUBCASE("alone")
  {
    for_every_state_and_segment(
      [](World&, TcpGuest& guest, const Segment& segment) { guest.sends(segment); });
  }
  SUBCASE("twice, the second time with data and FIN")
  {
    for_every_state_and_segment([](World&, TcpGuest& guest, const Segment& segment) {
      guest.sends_on(segment);
      guest.sends(data("and").with(TCP_FLAG_FIN));
    });
  }
  SUBCASE("then the host ends")
  {
    for_every_state_and_segment([](World& world, TcpGuest& guest, const Segment& segment) {
      guest.sends_on(segment);
      if (world.host.streams() > 0) {
        FakeStream& stream = world.host.stream(world.host.streams() - 1);
        if (stream.connected()) {
          stream.eof();
        }
      }
      world.settle();
      guest.sends(ack());
    });
  }
  SUBCASE("then the host resets")
  {
    for_every_state_and_segment([](World& world, TcpGuest& guest, const Segment& segment) {
      guest.sends_on(segment);
      if (world.host.streams() > 0) {
        FakeStream& stream = world.host.stream(world.host.streams() - 1);
        if (stream.connected()) {
          stream.resets();
        }
      }
      world.settle();
      guest.sends(ack());
    });
  }
  SUBCASE("then a reset")
  {
    for_every_state_and_segment([](World&, TcpGuest& guest, const Segment& segment) {
      guest.sends_on(segment);
      guest.sends(rst());
    });
  }
  SUBCASE("then time passes")
  {
    for_every_state_and_segment([](World& world, TcpGuest& guest, const Segment& segment) {
      guest.sends(segment);
      world.advance(110ms);
    });
  }
}

TEST_CASE("every state ends by itself when the guest falls silent")
{
  for (const State& state : states()) {
    CAPTURE(state.name);
    World world;
    TcpGuest guest(world);
    state.enter(world, guest);
    world.advance(4h);
    CHECK(world.gateway.flows().size() == 0);
    CHECK(world.gateway.stack().ticking() == 0);
    CHECK(world.pool.used_bytes() == 0);
    for (std::size_t i = 0; i < world.host.streams(); ++i) {
      CHECK(world.host.stream(i).closed());
    }
  }
}

} // namespace slirpstack
