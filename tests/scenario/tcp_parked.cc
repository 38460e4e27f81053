// What comes while a SYN is parked, before the batch has ended: the host's answer is for the one
// who asked.

#include "scenario/packets.hh"
#include "scenario/tcp_guest.hh"

#include <cerrno>
#include <doctest/doctest.h>

namespace slirpstack {

namespace {

/// Gives up and begins anew, within one batch.
void begins_twice(TcpGuest& guest)
{
  guest.sends_on(syn());
  guest.sends_on(rst());
  guest.next = TcpGuest::ISS;
  guest.sends_on(syn());
}

RemoteForward to_a_name()
{
  return {.scheme = ForwardScheme::tcp,
          .match = endpoint("192.0.2.1", 80),
          .targets
          = {NamedTarget{HostName{.name = "service.example", .server = std::nullopt}, 80}}};
}

} // namespace

TEST_CASE("a guest that gives up and asks again has the second connection alone")
{
  enum class First : std::uint8_t
  {
    connects,
    fails,
    is_silent,
  };
  for (const First first : {First::connects, First::fails, First::is_silent}) {
    for (const bool is_second_first : {false, true}) {
      CAPTURE(static_cast<int>(first));
      CAPTURE(is_second_first);
      World world;
      TcpGuest guest(world);
      begins_twice(guest);
      REQUIRE(world.host.streams() == 2);
      const auto connect_second = [&] { world.host.stream(1).connects(); };
      if (is_second_first) {
        connect_second();
      }
      if (first == First::connects) {
        world.host.stream(0).connects();
      } else if (first == First::fails) {
        world.host.stream(0).fails(host_error(ECONNREFUSED));
      }
      if (!is_second_first) {
        connect_second();
      }
      world.settle();
      guest.expects(SYN_ACK);
      guest.expects_nothing();
      CHECK(world.gateway.flows().size() == 1);
      CHECK(world.host.stream(0).closed());
      CHECK_FALSE(world.host.stream(1).closed());
      guest.sends(ack());
      guest.sends(data("hello"));
      CHECK(world.host.stream(1).sent() == "hello");
    }
  }
}

TEST_CASE("a guest that has given up holds no place under a limit")
{
  World world;
  world.gateway.set_rules(RuleSet(parse_rules("allow any flows 1"), world.now()), nullptr);
  for (std::uint16_t port = 40000; port < 40020; ++port) {
    TcpGuest guest(world, endpoint("10.0.2.100", port));
    guest.sends_on(syn());
    guest.sends_on(rst());
    world.host.stream(world.host.streams() - 1).connects();
    world.settle();
    CHECK(world.gateway.flows().size() == 0);
  }
  CHECK(world.host.streams() == 20);
  world.expects_nothing();
}

TEST_CASE("what a reload ends while it is being opened stays ended")
{
  World world;
  TcpGuest guest(world);
  guest.sends_on(syn());
  world.gateway.set_rules(RuleSet(parse_rules("drop any"), world.now()), nullptr);
  const std::size_t left = world.gateway.flows().size();
  world.host.stream(0).connects();
  world.settle();
  CHECK(left <= 1);
  CHECK(world.gateway.flows().size() == 0);
}

TEST_CASE("a name that is known too late connects nobody")
{
  World world;
  ForwardPlan plan;
  plan.remote.push_back(to_a_name());
  world.gateway.forwards().add(plan);
  TcpGuest guest(world);
  guest.sends_on(syn());
  guest.sends_on(rst());
  world.names.answers("service.example", {.addresses = {endpoint("192.0.2.7", 0).address}});
  world.settle();
  CHECK(world.host.streams() == 0);
  CHECK(world.gateway.flows().size() == 0);
}

} // namespace slirpstack
