#include "accel/expiry.hh"

#include "accel/nat_endpoints.hh"
#include "accel/nat_table.hh"
#include "nat_bed.hh"

#include <arpa/inet.h>
#include <doctest/doctest.h>

using namespace slirpstack;
using namespace slirpstack::test;
using namespace std::chrono_literals;

namespace {

const Endpoint GUEST = at("10.0.0.2:5000");
const Endpoint EXTERNAL = at("203.0.113.1:40000");
const Endpoint REMOTE = at("198.51.100.9:53");

Packet from_guest(std::uint8_t protocol, std::uint8_t tcp_flags = TCP_FLAG_SYN)
{
  return between(GUEST, REMOTE, protocol, tcp_flags);
}

Packet from_remote(std::uint8_t tcp_flags)
{
  return between(REMOTE, EXTERNAL, PROTOCOL_TCP, tcp_flags);
}

std::size_t bindings_of(const NatBed& nat)
{
  return nat.entries("bindings", sizeof(nat_endpoint));
}

} // namespace

TEST_CASE("a binding lives as long as its protocol's timer after the guest's last packet")
{
  struct Row
  {
    std::uint8_t protocol;
    std::chrono::seconds lifetime;
  };
  for (const Row& row : {Row{PROTOCOL_UDP, 300s}, Row{PROTOCOL_ICMP, 60s}}) {
    NatBed nat(NatHook::xdp);
    CAPTURE(row.protocol);
    NatExpiry expiry(nat.object(), {});
    nat.bind(GUEST, EXTERNAL, row.protocol);
    nat.from_guest(from_guest(row.protocol));
    const auto now = kernel_time();
    CHECK(expiry.sweep(now + row.lifetime - 1s).bindings == 0);
    CHECK(expiry.sweep(now + row.lifetime + LAG).bindings == 1);
    CHECK(bindings_of(nat) == 0);
  }
}

TEST_CASE("a sweep goes by turns, and leaves alone one that is in use again meanwhile")
{
  NatBed nat(NatHook::xdp);
  NatExpiry expiry(nat.object(), {});
  NatTable<nat_endpoint, nat_owner> owners(nat.object().map("owners"));
  const auto port = [](std::uint16_t i) {
    return nat_endpoint{map_address(EXTERNAL.address), htons(i), PROTOCOL_UDP, 0};
  };
  constexpr std::uint16_t MANY = 100;
  for (std::uint16_t i = 0; i < MANY; ++i) {
    nat_owner resting{};
    resting.flags = NAT_QUARANTINED;
    owners.put(port(i), resting);
  }
  std::optional<NatExpiry::Swept> swept;
  std::size_t turns = 0;
  while (!swept && turns < 100) {
    swept = expiry.step(kernel_time() + 121s);
    if (++turns == 3) { // of sessions, bindings and ports
      owners.put(port(7), nat_owner{});
    }
  }
  CHECK(turns == 5);
  REQUIRE(swept);
  CHECK(swept->ports == MANY - 1);
  CHECK(swept->left == 1);
  CHECK(owners.find(port(7)).has_value());
}

TEST_CASE("a TCP binding outlives its last connection's timer only")
{
  struct Row
  {
    const char* what;
    std::vector<std::uint8_t> guest, remote;
    std::chrono::seconds lifetime;
  };
  const Row rows[] = {
    {"opening", {TCP_FLAG_SYN}, {}, 240s},
    {"established", {TCP_FLAG_SYN}, {TCP_FLAG_SYN | TCP_FLAG_ACK}, 7440s},
    {"half-closed", {TCP_FLAG_SYN}, {TCP_FLAG_SYN | TCP_FLAG_ACK, TCP_FLAG_FIN}, 7440s},
    {"reset", {TCP_FLAG_SYN}, {TCP_FLAG_SYN | TCP_FLAG_ACK, TCP_FLAG_RST}, 240s},
    {"reset, yet it goes on",
     {TCP_FLAG_SYN},
     {TCP_FLAG_SYN | TCP_FLAG_ACK, TCP_FLAG_RST, TCP_FLAG_ACK},
     7440s},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    NatBed nat(NatHook::xdp);
    NatExpiry expiry(nat.object(), {});
    nat.bind(GUEST, EXTERNAL, PROTOCOL_TCP);
    for (const std::uint8_t flags : row.guest) {
      REQUIRE(nat.from_guest(from_guest(PROTOCOL_TCP, flags)).verdict == Verdict::redirect);
    }
    for (const std::uint8_t flags : row.remote) {
      REQUIRE(nat.from_world(from_remote(flags)).verdict == Verdict::redirect);
    }
    const auto now = kernel_time();
    CHECK(expiry.sweep(now + row.lifetime - 1s).bindings == 0);
    const NatExpiry::Swept swept = expiry.sweep(now + row.lifetime + LAG);
    CHECK(swept.sessions == 1);
    CHECK(swept.bindings == 1);
  }
}

TEST_CASE("who may come in to a port may not come in to its next owner")
{
  NatBed nat(NatHook::xdp);
  NatExpiry expiry(nat.object(), {});
  nat.settings.filter_tcp = NAT_FILTER_ADDRESS;
  nat.apply();
  nat.bind(GUEST, EXTERNAL, PROTOCOL_TCP);
  REQUIRE(nat.from_guest(from_guest(PROTOCOL_TCP, TCP_FLAG_SYN)).verdict == Verdict::redirect);
  CHECK(nat.entries("sessions", sizeof(nat_session_key)) == 2); // the connection, and its address
  const auto end = kernel_time() + 240s + LAG;
  CHECK(expiry.sweep(end).bindings == 1);
  CHECK(nat.entries("sessions", sizeof(nat_session_key)) == 0);
  CHECK(expiry.sweep(end + 120s).left == 0);
}

TEST_CASE("a connection that opens and one that closes have timers of their own")
{
  constexpr auto BOTH = TCP_FLAG_SYN | TCP_FLAG_ACK;
  struct Row
  {
    const char* what;
    std::vector<std::uint8_t> guest, remote;
    std::chrono::seconds lifetime;
  };
  const Row rows[] = {
    {"opening", {TCP_FLAG_SYN}, {}, 100s},
    {"refused", {TCP_FLAG_SYN}, {TCP_FLAG_RST}, 30s},
    {"reset", {TCP_FLAG_SYN}, {BOTH, TCP_FLAG_RST}, 30s},
    {"closed", {TCP_FLAG_SYN, TCP_FLAG_FIN}, {BOTH, TCP_FLAG_FIN}, 30s},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    NatBed nat(NatHook::xdp);
    NatExpiry expiry(nat.object(), {.tcp_opening = 100s, .tcp_closing = 30s});
    nat.bind(GUEST, EXTERNAL, PROTOCOL_TCP);
    for (std::size_t i = 0; i < 2; ++i) { // they take turns
      if (i < row.guest.size()) {
        nat.from_guest(from_guest(PROTOCOL_TCP, row.guest[i]));
      }
      if (i < row.remote.size()) {
        nat.from_world(from_remote(row.remote[i]));
      }
    }
    const auto now = kernel_time();
    CHECK(expiry.sweep(now + row.lifetime - 1s).sessions == 0);
    CHECK(expiry.sweep(now + row.lifetime + LAG).sessions == 1);
  }
}

TEST_CASE("what comes in keeps a remote's permission as long as the binding")
{
  for (const bool refreshes : {false, true}) {
    CAPTURE(refreshes);
    NatBed nat(NatHook::xdp);
    nat.settings.filter_udp = NAT_FILTER_PORT;
    nat.settings.flags = refreshes ? NAT_INBOUND_REFRESH : 0;
    nat.apply();
    nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP);
    const nat_session_key key = map_session(to_map(EXTERNAL, PROTOCOL_UDP), REMOTE);
    NatTable<nat_session_key, nat_session> sessions(nat.object().map("sessions"));
    sessions.put(key, {}); // its last packet was at time 0
    REQUIRE(nat.from_world(between(REMOTE, EXTERNAL, PROTOCOL_UDP)).verdict == Verdict::redirect);
    CHECK((sessions.find(key)->last != 0) == refreshes);
  }
}

TEST_CASE("what comes in keeps a binding alive only where that is asked for")
{
  for (const bool refreshes : {false, true}) {
    CAPTURE(refreshes);
    NatBed nat(NatHook::xdp);
    NatExpiry expiry(nat.object(), {});
    nat.settings.flags = refreshes ? NAT_INBOUND_REFRESH : 0;
    nat.apply();
    nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP); // as if never used: its last packet was at time 0
    Packet packet;
    packet.source = REMOTE;
    packet.destination = EXTERNAL;
    REQUIRE(nat.from_world(packet).verdict == Verdict::redirect);
    CHECK(expiry.sweep(std::max(kernel_time(), 300s + LAG)).bindings == (refreshes ? 0 : 1));
  }
}

TEST_CASE("an ended binding's port is nobody's for 120 seconds, and counts for its guest no longer")
{
  NatBed nat(NatHook::xdp);
  NatExpiry expiry(nat.object(), {});
  nat.settings.flags = NAT_ALLOCATE;
  nat.settings.port_first = nat.settings.port_last = 7000;
  nat.settings.external[0].count = nat.settings.external_addresses = 1;
  nat.settings.quota = 1;
  nat.apply();
  REQUIRE(nat.from_guest(from_guest(PROTOCOL_UDP)).verdict == Verdict::redirect);
  const auto end = kernel_time() + 300s + LAG;
  CHECK(expiry.sweep(end).bindings == 1);
  nat.from_guest(from_guest(PROTOCOL_UDP));
  CHECK(nat.counted(NAT_DROP_EXHAUSTED) == 1); // not the quota
  CHECK(bindings_of(nat) == 0);
  CHECK(expiry.sweep(end + 119s).ports == 0);
  CHECK(expiry.sweep(end + 120s).ports == 1);
  nat.from_guest(from_guest(PROTOCOL_UDP));
  CHECK(nat.external_of(GUEST, PROTOCOL_UDP).port == 7000);
}

TEST_CASE("how long ports rest, and how many do, can be set")
{
  NatBed nat(NatHook::xdp);
  NatExpiry restless(nat.object(), {.quarantine = 0s});
  nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP);
  const auto swept = restless.sweep(kernel_time() + 300s + LAG);
  CHECK(swept.bindings == 1);
  CHECK(swept.ports == 1);
  NatExpiry bounded(nat.object(), {.quarantine_ports = 1});
  const auto now = kernel_time();
  std::vector<nat_endpoint> externals;
  for (std::uint16_t i = 0; i < 3; ++i) {
    const Endpoint internal{GUEST.address, static_cast<std::uint16_t>(6000 + i)};
    const Endpoint external{EXTERNAL.address, static_cast<std::uint16_t>(7000 + i)};
    nat.bind(internal, external, PROTOCOL_UDP);
    externals.push_back(to_map(external, PROTOCOL_UDP));
    bounded.end({{to_map(internal, PROTOCOL_UDP), externals.back()}}, now + 10s * i);
  }
  CHECK(bounded.sweep(now + 30s).ports == 2);
  NatTable<nat_endpoint, nat_owner> owners(nat.object().map("owners"));
  CHECK(owners.find(externals.back()));
  CHECK_FALSE(owners.find(externals.front()));
  CHECK(bounded.sweep(now + 140s).ports == 1);
}

TEST_CASE("a guest that uses one address after the other keeps none of the room for them")
{
  for (const std::uint32_t quota : {0U, 1U}) {
    CAPTURE(quota);
    NatBed nat(NatHook::xdp);
    NatExpiry expiry(nat.object(), {});
    nat.settings.flags = NAT_ALLOCATE;
    nat.settings.quota = quota;
    nat.apply();
    const auto use = [&](std::uint32_t first) { // as many addresses as there is room for
      for (std::uint32_t i = 0; i < 64; ++i) {
        Packet packet = from_guest(PROTOCOL_UDP);
        packet.source.address
          = IpAddress::ipv4(IpAddress::parse("10.0.0.0")->ipv4_value() + first + i);
        REQUIRE(nat.from_guest(packet).verdict == Verdict::redirect);
      }
    };
    use(2);
    expiry.sweep(kernel_time() + 300s + LAG);
    CHECK(nat.entries("subscribers", sizeof(nat_subscriber_key)) == 0);
    CHECK(nat.entries("released", sizeof(nat_subscriber_key)) == 0);
    use(100);
    expiry.sweep(kernel_time() + 600s + 2 * LAG);
    use(2);
    CHECK(nat.counted(NAT_DROP_QUOTA) == 0);
  }
}

TEST_CASE("a forward never ends")
{
  NatBed nat(NatHook::xdp);
  NatExpiry expiry(nat.object(), {});
  nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP, NAT_STATIC);
  CHECK(expiry.sweep(kernel_time() + 24h).bindings == 0);
}
