#include "gateway/udp_relays.hh"

#include "scenario/fake_guest.hh"
#include "scenario/fake_host.hh"

#include <cerrno>
#include <doctest/doctest.h>
#include <string>

namespace slirpstack {

namespace {

using namespace std::chrono_literals;

Endpoint endpoint(const char* address, std::uint16_t port)
{
  return {IpAddress::parse(address).value(), port};
}

const Endpoint GUEST = endpoint("10.0.2.100", 4000);
const Endpoint GUEST6 = endpoint("fd00::100", 4000);
const Endpoint A = endpoint("192.0.2.1", 7);
const Endpoint A_OTHER_PORT = endpoint("192.0.2.1", 8);
const Endpoint B = endpoint("192.0.2.2", 7);
const Endpoint A6 = endpoint("2001:db8::1", 7);

std::string text_of(ByteView bytes)
{
  return {bytes.begin(), bytes.end()};
}

/// A guest with a gateway that knows UDP only, and a host in memory.
struct World
{
  explicit World(const UdpRelays::Settings& settings = {}, std::size_t capacity = 100)
    : flows({}, capacity)
    , relays(settings, {}, time, host, names, flows, admission, clients, sender, icmp, drops)
  {}

  void guest_sends(const Endpoint& from,
                   const Endpoint& to,
                   const std::string& text,
                   std::uint8_t hop_limit = 64,
                   bool dont_fragment = true)
  {
    const FlowKey key{PROTOCOL_UDP, from, to};
    const ByteView data{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
    const GuestDatagram datagram{
      .data = data, .hop_limit = hop_limit, .dont_fragment = dont_fragment};
    if (Relay* const known = flows.find(key)) {
      static_cast<UdpRelay*>(known)->on_guest_datagram(datagram);
    } else {
      open(key, datagram);
    }
    relays.flush();
  }

  void open(const FlowKey& key, const GuestDatagram& datagram)
  {
    const FlowRequest request{FlowDirection::out, PROTOCOL_UDP, key.guest.address, key.remote};
    Admitted admitted = admission.ask(request, key);
    if (admitted.granted) {
      relays.open_from_guest(
        key, datagram, {.request = request, .grant = std::move(admitted.grant)});
    }
  }

  void advance(Duration duration)
  {
    time.now += duration;
    flows.expire(time.now);
    flows.bury();
  }

  FakeGuest guest;
  FakeHost host;
  FakeNames names;
  EventTime time{TimePoint{} + 1h};
  DropCounters drops;
  FlowTable flows;
  HostNetworks networks;
  Policy policy{{}};
  Admission admission{{}, {}, time, policy, flows, drops, [this]() -> const HostNetworks& {
                        return networks;
                      }};
  ClientNames clients{policy,
                      flows,
                      IpAddress::parse("10.0.2.2").value(),
                      IpAddress::parse("fd00::2").value(),
                      0};
  GuestSender sender{guest};
  IcmpReporter icmp{guest,
                    IpAddress::parse("10.0.2.2").value(),
                    IpAddress::parse("fd00::2").value()};
  UdpRelays relays;
};

} // namespace

TEST_CASE("a datagram goes out, its answer comes back")
{
  World world;
  world.guest_sends(GUEST, A, "ping", 64, true);
  const FakeDatagrams::Sent sent = world.host.datagrams(0).sent().at(0);
  CHECK(sent.to == A);
  CHECK(sent.payload == "ping");
  CHECK(sent.hop_limit == 63);
  CHECK(sent.dont_fragment);
  world.host.datagrams(0).receives(A, "pong");
  const GuestReceived got = world.guest.take_one();
  CHECK(got.udp_from() == A);
  CHECK(got.udp_to() == GUEST);
  CHECK(text_of(got.udp_data()) == "pong");
  CHECK(got.checksum_is_right());
}

TEST_CASE("IPv6 datagrams go their own way")
{
  World world;
  world.guest_sends(GUEST6, A6, "ping", 64, false);
  CHECK(world.host.datagrams(0).family() == Family::ipv6);
  CHECK_FALSE(world.host.datagrams(0).sent().at(0).dont_fragment);
  world.host.datagrams(0).receives(A6, "pong");
  CHECK(world.guest.take_one().udp_to() == GUEST6);
}

TEST_CASE("empty and very large datagrams pass both ways unsplit")
{
  World world;
  world.guest.set_mtu(65535);
  for (const std::size_t size : {0U, 65507U}) {
    CAPTURE(size);
    const std::string text(size, 'x');
    world.guest_sends(GUEST, A, text);
    CHECK(world.host.datagrams(0).sent().back().payload == text);
    world.host.datagrams(0).receives(A, text);
    CHECK(world.guest.take_one().udp_data().size() == size);
  }
}

TEST_CASE("one address and port of the guest has one host socket, whatever it talks to")
{
  World world;
  world.guest_sends(GUEST, A, "1");
  world.guest_sends(GUEST, B, "2");
  world.guest_sends(GUEST, A, "3");
  CHECK(world.host.datagram_sockets() == 1);
  CHECK(world.relays.mappings() == 1);
  CHECK(world.flows.size() == 2);
  world.guest_sends({GUEST.address, 4001}, A, "4");
  CHECK(world.host.datagram_sockets() == 2);
}

TEST_CASE("the guest does not choose the host's port")
{
  World world;
  world.guest_sends(GUEST, A, "1");
  CHECK(world.host.datagrams(0).port_hint() == 0);
  world.guest_sends({GUEST.address, 500}, A, "1");
  CHECK(world.host.datagrams(1).port_hint() == 0);
}

TEST_CASE("sockets are bound to the source of their family")
{
  UdpRelays::Settings settings;
  settings.source_ipv4 = IpAddress::parse("198.51.100.7");
  World world(settings);
  world.guest_sends(GUEST, A, "1");
  world.guest_sends(GUEST6, A6, "1");
  CHECK(world.host.datagrams(0).source() == settings.source_ipv4);
  CHECK_FALSE(world.host.datagrams(1).source().has_value());
}

TEST_CASE("by default only endpoints that the guest has sent to may answer")
{
  World world;
  world.guest_sends(GUEST, A, "1");
  world.host.datagrams(0).receives(B, "knock");
  world.host.datagrams(0).receives(A_OTHER_PORT, "knock");
  CHECK(world.guest.received().empty());
  CHECK(world.drops.of(Drop::udp_filtered) == 2);
}

TEST_CASE("address dependent filtering lets in every port of an address that the guest sent to")
{
  UdpRelays::Settings settings;
  settings.filter = UdpFilter::address_dependent;
  World world(settings);
  world.guest_sends(GUEST, A, "1");
  world.host.datagrams(0).receives(A_OTHER_PORT, "welcome");
  CHECK(world.guest.take_one().udp_from() == A_OTHER_PORT);
  CHECK(world.flows.size() == 2);
  world.host.datagrams(0).receives(B, "knock");
  CHECK(world.guest.received().empty());
}

TEST_CASE("endpoint independent filtering lets in everyone, and makes flows of them")
{
  UdpRelays::Settings settings;
  settings.filter = UdpFilter::endpoint_independent;
  World world(settings, 2);
  world.guest_sends(GUEST, A, "1");
  world.host.datagrams(0).receives(B, "welcome");
  CHECK(world.guest.take_one().udp_from() == B);
  world.host.datagrams(0).receives(A_OTHER_PORT, "one too many");
  CHECK(world.guest.received().empty());
  CHECK(world.drops.of(Drop::too_many_flows) == 1);
}

TEST_CASE("a mapping lives as long as its last flow, and a flow for its timeout")
{
  World world;
  world.guest_sends(GUEST, A, "1");
  world.advance(200s);
  world.guest_sends(GUEST, B, "2");
  world.advance(100s);
  CHECK(world.flows.size() == 1);
  world.host.datagrams(0).receives(A, "late");
  CHECK(world.guest.received().empty());
  world.host.datagrams(0).receives(B, "in time");
  CHECK(world.guest.take().size() == 1);
  world.advance(299s);
  CHECK(world.relays.mappings() == 1);
  world.advance(1s);
  CHECK(world.relays.mappings() == 0);
  CHECK(world.host.datagrams(0).closed());
}

TEST_CASE("what the guest sends keeps the flow")
{
  World world;
  for (int i = 0; i < 4; ++i) {
    world.guest_sends(GUEST, A, "still here");
    world.advance(299s);
  }
  CHECK(world.flows.size() == 1);
  CHECK(world.host.datagram_sockets() == 1);
}

TEST_CASE("what comes in keeps the flow, unless that is switched off")
{
  for (const bool refreshes : {true, false}) {
    CAPTURE(refreshes);
    UdpRelays::Settings settings;
    settings.filter = UdpFilter::endpoint_independent;
    settings.inbound_refreshes = refreshes;
    World world(settings);
    world.guest_sends(GUEST, A, "1");
    world.advance(200s);
    world.host.datagrams(0).receives(A, "still here");
    world.host.datagrams(0).receives(B, "here too");
    CHECK(world.guest.take().size() == 2);
    world.advance(100s);
    CHECK(world.flows.size() == (refreshes ? 2 : 0));
    CHECK(world.relays.mappings() == (refreshes ? 1 : 0));
  }
}

TEST_CASE("a DNS question is forgotten soon")
{
  World world;
  world.guest_sends(GUEST, endpoint("192.0.2.53", 53), "question");
  world.advance(10s);
  CHECK(world.flows.size() == 0);
}

TEST_CASE("a flow that opens anew before its predecessor is buried keeps the mapping")
{
  World world;
  world.guest_sends(GUEST, A, "1");
  world.time.now += 300s;
  world.flows.expire(world.time.now);
  world.guest_sends(GUEST, A, "2");
  world.flows.bury();
  CHECK(world.relays.mappings() == 1);
  world.host.datagrams(0).receives(A, "answer");
  CHECK(world.guest.take().size() == 1);
}

TEST_CASE("datagrams of one remote that came together leave as one super-packet")
{
  World world;
  world.guest_sends(GUEST, A, "1");
  world.guest_sends(GUEST, B, "1");
  world.host.datagrams(0).receives({{A, "aaaa"}, {A, "bbbb"}, {A, "cc"}, {A, "dd"}, {B, "dd"}});
  const auto got = world.guest.take();
  REQUIRE(got.size() == 3);
  CHECK(got[0].segment_size_bytes == 4);
  CHECK(text_of(got[0].udp_data()) == "aaaabbbbcc");
  CHECK(text_of(got[1].udp_data()) == "dd");
  CHECK(got[2].udp_from() == B);
}

TEST_CASE("a super-datagram of the host keeps its place in the order")
{
  World world;
  world.guest_sends(GUEST, A, "1");
  world.host.datagrams(0).receives({{A, "1111"}, {A, "222233334", 4}, {A, "5555"}});
  const auto got = world.guest.take();
  REQUIRE(got.size() == 3);
  CHECK(text_of(got[0].udp_data()) == "1111");
  CHECK(got[1].segment_size_bytes == 4);
  CHECK(text_of(got[2].udp_data()) == "5555");
}

TEST_CASE("datagrams in the middle of a batch that are filtered do not break it")
{
  World world;
  world.guest_sends(GUEST, A, "1");
  world.host.datagrams(0).receives({{A, "1111"}, {B, "2222"}, {A, "3333"}});
  CHECK(text_of(world.guest.take_one().udp_data()) == "11113333");
}

TEST_CASE("an unreachable port is reported to the guest by the one who said so")
{
  World world;
  world.guest_sends(GUEST, A, "hello");
  HostError error = host_error(ECONNREFUSED);
  error.icmp = HostError::Icmp{.family = Family::ipv4, .type = 3, .code = 3, .offender = A.address};
  world.host.datagrams(0).fails(error, A, "hello");
  const GuestReceived got = world.guest.take_one();
  CHECK(got.ip().source == A.address);
  CHECK(got.icmp_type_code() == std::pair(3, 3));
  const auto quoted = IpHeader::parse(got.icmp_quote());
  REQUIRE(quoted);
  CHECK(quoted->source == GUEST.address);
  CHECK(quoted->total_length_bytes == 33);
}

TEST_CASE("a datagram too large for the host's path becomes Fragmentation Needed")
{
  World world;
  world.guest_sends(GUEST, A, "1");
  HostError error = host_error(EMSGSIZE);
  error.icmp = HostError::Icmp{.family = Family::ipv4, .mtu_bytes = 1400};
  world.host.datagrams(0).refuses_to_send(error);
  world.guest_sends(GUEST, A, std::string(1450, 'x'));
  const GuestReceived got = world.guest.take_one();
  CHECK(got.icmp_type_code() == std::pair(3, 4));
  CHECK(got.icmp_rest() == 1400);
}

TEST_CASE("a host without a route says so at once")
{
  World world;
  world.guest_sends(GUEST6, A6, "1");
  world.host.datagrams(0).refuses_to_send(host_error(ENETUNREACH));
  world.guest_sends(GUEST6, A6, "2");
  CHECK(world.guest.take_one().icmp_type_code() == std::pair(1, 0));
}

TEST_CASE("a full socket buffer is a loss that is counted and not answered")
{
  World world;
  world.guest_sends(GUEST, A, "1");
  world.host.datagrams(0).refuses_to_send(host_error(EAGAIN));
  world.guest_sends(GUEST, A, "2");
  CHECK(world.guest.received().empty());
  CHECK(world.drops.of(Drop::host_full) == 1);
}

TEST_CASE("out of descriptors a new mapping is refused, and works again later")
{
  World world;
  world.host.refuses_to_open(host_error(EMFILE));
  world.guest_sends(GUEST, A, "1");
  CHECK(world.guest.take_one().icmp_type_code() == std::pair(3, 13));
  CHECK(world.drops.of(Drop::too_many_flows) == 1);
  CHECK(world.flows.size() == 0);
  CHECK(world.relays.mappings() == 0);
  world.host.refuses_to_open({});
  world.guest_sends(GUEST, A, "2");
  CHECK(world.host.datagrams(0).sent().size() == 1);
}

TEST_CASE("the limit of sockets refuses what is new, not what is known")
{
  UdpRelays::Settings settings;
  settings.max_mappings = 1;
  World world(settings);
  world.guest_sends(GUEST, A, "1");
  world.guest_sends({GUEST.address, 4001}, A, "no socket");
  CHECK(world.guest.take_one().icmp_type_code() == std::pair(3, 13));
  world.guest_sends(GUEST, B, "2");
  world.guest_sends(GUEST, A, "3");
  CHECK(world.host.datagrams(0).sent().size() == 3);
}

TEST_CASE("flows that end take along what they have not sent")
{
  World world;
  const FlowKey key{PROTOCOL_UDP, GUEST, A};
  world.open(key, {});
  world.flows.finish_all();
  world.flows.bury();
  world.relays.flush();
  CHECK(world.host.datagrams(0).sent().empty());
  CHECK(world.host.datagrams(0).closed());
}

} // namespace slirpstack
