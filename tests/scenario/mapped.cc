// Prefix mappings in user mode: from which address the guest's flows leave, and whom clients of a
// mapped address get to.

#include "flow/map_edit.hh"
#include "scenario/packets.hh"
#include "scenario/tcp_guest.hh"

#include <doctest/doctest.h>

namespace slirpstack {

namespace {

constexpr std::string_view MAPPING = "add eth0 fd00:1::/64 2001:db8:2::/64\n";
constexpr std::string_view EXTERNAL = "2001:db8:2::/64";
const Endpoint INSIDE = endpoint("fd00:1::7", 4000);
const Endpoint SERVER = endpoint("2001:db8:99::1", 80);
const Endpoint CLIENT = endpoint("2001:db8:99::2", 51000);

/// A host that takes what is sent to the external prefix.
struct Mapped : World
{
  explicit Mapped(std::string_view batch = MAPPING)
  {
    apply_edits(gateway.prefixes(), parse_map_batch(batch));
    host_takes(EXTERNAL);
  }
};

void guest_sends_datagram(World& world, const Endpoint& from)
{
  world.guest_sends(udp_packet(from, SERVER));
  world.settle();
}

void guest_pings(World& world, const Endpoint& from)
{
  std::array<std::uint8_t, ICMP_HEADER_BYTES> bytes{};
  Writer writer(bytes);
  IcmpEcho{.identifier = 5, .sequence = 1, .data = {}}.write(writer, from.address, SERVER.address);
  world.guest_sends(ip_packet(PROTOCOL_ICMPV6, from.address, SERVER.address, bytes));
  world.settle();
}

/// A forward as it is typed.
ForwardPlan local(std::string_view text)
{
  const ForwardDefaults defaults{.guest_ipv4 = endpoint("10.0.2.100", 0).address,
                                 .guest_ipv6 = endpoint("fd00::100", 0).address,
                                 .gateway_ipv4 = {},
                                 .gateway_ipv6 = {}};
  return plan_forward(with_defaults(ForwardSpec::parse(ForwardDirection::local, text), defaults),
                      {});
}

/// The address of the guest that the next packet is for.
std::string next_target(World& world)
{
  REQUIRE_FALSE(world.inbox().empty());
  const GuestReceived packet = std::move(world.inbox().front());
  world.inbox().pop_front();
  return packet.ip().destination.to_string();
}

} // namespace

TEST_CASE("flows of a mapped address leave from its counterpart, whatever the protocol")
{
  Mapped world;
  TcpGuest guest(world, INSIDE, SERVER);
  guest.sends(syn());
  guest_sends_datagram(world, INSIDE);
  guest_pings(world, INSIDE);
  const SourceAddress outside(endpoint("2001:db8:2::7", 0).address, /*foreign=*/true);
  CHECK(world.host.stream(0).options().source == outside);
  CHECK(world.host.datagrams(0).source() == outside);
  CHECK(world.host.ping(0).source() == outside);
  CHECK(world.host.datagrams(0).sent().size() == 1);
}

TEST_CASE("each address of the guest has a counterpart of its own; others are left alone")
{
  Mapped world;
  guest_sends_datagram(world, endpoint("fd00:1::8", 4000));
  guest_sends_datagram(world, endpoint("fd00::100", 4000));
  CHECK(world.host.datagrams(0).source()
        == SourceAddress(endpoint("2001:db8:2::8", 0).address, true));
  CHECK_FALSE(world.host.datagrams(1).source());
}

TEST_CASE("a change of the map is for flows to come")
{
  Mapped world;
  guest_sends_datagram(world, INSIDE);
  apply_edits(world.gateway.prefixes(), parse_map_batch("drop --all\n"));
  guest_sends_datagram(world, INSIDE);
  CHECK(world.host.datagram_sockets() == 1);
  guest_sends_datagram(world, endpoint("fd00:1::7", 4001));
  CHECK_FALSE(world.host.datagrams(1).source());
}

TEST_CASE("what the host would get no answer for does not leave, and never from another address")
{
  World world;
  apply_edits(world.gateway.prefixes(), parse_map_batch(MAPPING));
  TcpGuest(world, INSIDE, SERVER).sends(syn());
  world.expects_icmp(1, 0); // no route to destination
  guest_sends_datagram(world, INSIDE);
  world.expects_icmp(1, 0);
  guest_pings(world, INSIDE);
  world.expects_icmp(1, 0);
  CHECK(world.host.streams() + world.host.datagram_sockets() + world.host.pings() == 0);
  world.host_takes(EXTERNAL);
  TcpGuest(world, endpoint("fd00:1::7", 4001), SERVER).sends(syn());
  CHECK(world.host.streams() == 1);
}

TEST_CASE("an address without a checksum-neutral counterpart is refused")
{
  Mapped world("add eth0 fd01:203:405::/48 2001:db8:2::/48 neutral\n");
  TcpGuest(world, endpoint("fd01:203:405:ffff::1", 4000), SERVER).sends(syn());
  world.expects_icmp(1, 0);
  CHECK(world.host.streams() == 0);
}

TEST_CASE("a forward bound to a mapped address leads to what it stands for")
{
  Mapped world;
  world.gateway.forwards().add(local("[2001:db8:2::7]:8080::80"));
  CHECK(world.host.listener(0).options().is_foreign);
  world.host.listener(0).accepts(CLIENT);
  CHECK(next_target(world) == "fd00:1::7");

  // A target that was named is meant.
  world.gateway.forwards().add(local("[2001:db8:2::7]:8081:[fd00::100]:80"));
  world.host.listener(1).accepts(CLIENT);
  CHECK(next_target(world) == "fd00::100");

  world.gateway.forwards().add(local("[2001:db8:3::7]:8080::80"));
  CHECK_FALSE(world.host.listener(2).options().is_foreign);
  world.host.listener(2).accepts(CLIENT);
  CHECK(next_target(world) == "fd00::100");
}

TEST_CASE("one UDP client reaches two mapped addresses of one wildcard, and each answers it")
{
  Mapped world;
  world.gateway.forwards().add(local("udp://[::]:53::53"));
  const auto ask = [&](const char* asked) {
    world.host.datagrams(0).receives(
      {{.from = CLIENT, .payload = "question", .to = endpoint(asked, 0).address}});
    return next_target(world);
  };
  CHECK(ask("2001:db8:2::7") == "fd00:1::7");
  CHECK(ask("2001:db8:2::8") == "fd00:1::8");
  CHECK(ask("2001:db8:5::1") == "fd00::100");
  CHECK(ask("2001:db8:2::7") == "fd00:1::7");
  CHECK(world.gateway.flows().size() == 3);

  // The client is gone: so are all its flows.
  world.host.datagrams(0).fails(host_error(ECONNREFUSED), CLIENT, "answer");
  world.settle();
  CHECK(world.gateway.flows().size() == 0);
}

} // namespace slirpstack
