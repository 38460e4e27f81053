#include "accel/expiry.hh"
#include "accel/nat_table.hh"
#include "nat_bed.hh"

#include <doctest/doctest.h>

using namespace slirpstack;
using namespace slirpstack::test;
using namespace std::chrono_literals;

namespace {

const Endpoint GUEST = at("10.0.0.2:5000");
const Endpoint EXTERNAL = at("203.0.113.1:40000");
const Endpoint REMOTE = at("198.51.100.9:53");

Packet from_guest(std::uint8_t flags)
{
  Packet packet;
  packet.protocol = PROTOCOL_TCP;
  packet.tcp_flags = flags;
  packet.source = GUEST;
  packet.destination = REMOTE;
  return packet;
}

Packet from_remote(std::uint8_t flags)
{
  Packet packet = from_guest(flags);
  packet.source = REMOTE;
  packet.destination = EXTERNAL;
  return packet;
}

std::uint32_t state_of(const NatBed& nat)
{
  nat_session_key key{};
  key.address = to_map(EXTERNAL, PROTOCOL_TCP).address;
  key.port = to_map(EXTERNAL, PROTOCOL_TCP).port;
  key.remote_address = to_map(REMOTE, PROTOCOL_TCP).address;
  key.remote_port = to_map(REMOTE, PROTOCOL_TCP).port;
  key.protocol = PROTOCOL_TCP;
  const NatTable<nat_session_key, nat_session> sessions(nat.object().map("sessions"));
  const auto session = sessions.find(key);
  REQUIRE(session);
  return session->state;
}

} // namespace

TEST_CASE("TCP begins with a SYN, from either side")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.bind(GUEST, EXTERNAL, PROTOCOL_TCP);
    CHECK(nat.from_guest(from_guest(TCP_FLAG_ACK)).verdict == Verdict::drop);
    CHECK(nat.from_world(from_remote(TCP_FLAG_ACK)).verdict == Verdict::drop);
    CHECK(nat.counted(NAT_DROP_NO_SESSION) == 2);
    CHECK(nat.from_world(from_remote(TCP_FLAG_SYN)).verdict == Verdict::redirect);
    CHECK(nat.from_guest(from_guest(TCP_FLAG_ACK)).verdict == Verdict::redirect);
  }
}

TEST_CASE("two SYNs that cross open a connection, whatever the filter")
{
  for (const nat_filter filter : {NAT_FILTER_ENDPOINT, NAT_FILTER_ADDRESS, NAT_FILTER_PORT}) {
    FOR_BOTH_HOOKS(nat)
    {
      CAPTURE(filter);
      nat.settings.filter_tcp = filter;
      nat.apply();
      nat.bind(GUEST, EXTERNAL, PROTOCOL_TCP);
      REQUIRE(nat.from_guest(from_guest(TCP_FLAG_SYN)).verdict == Verdict::redirect);
      REQUIRE(nat.from_world(from_remote(TCP_FLAG_SYN)).verdict == Verdict::redirect);
      const std::uint8_t answer = TCP_FLAG_SYN | TCP_FLAG_ACK;
      CHECK(nat.from_guest(from_guest(answer)).verdict == Verdict::redirect);
      CHECK(nat.from_world(from_remote(answer)).verdict == Verdict::redirect);
      CHECK(state_of(nat) == NAT_TCP_ESTABLISHED);
    }
  }
}

TEST_CASE("a SYN that the filter keeps out gets no answer, and none later")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.settings.filter_tcp = NAT_FILTER_PORT;
    nat.apply();
    nat.bind(GUEST, EXTERNAL, PROTOCOL_TCP);
    CHECK(nat.from_world(from_remote(TCP_FLAG_SYN)).verdict == Verdict::drop);
    CHECK(nat.counted(NAT_DROP_FILTERED) == 1);
    CHECK(nat.counted(NAT_ANSWERED) == 0);
  }
}

TEST_CASE("each side's end is waited for, and a SYN begins anew after both")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.bind(GUEST, EXTERNAL, PROTOCOL_TCP);
    nat.from_guest(from_guest(TCP_FLAG_SYN));
    nat.from_world(from_remote(TCP_FLAG_SYN | TCP_FLAG_ACK));
    nat.from_guest(from_guest(TCP_FLAG_FIN | TCP_FLAG_ACK));
    CHECK(state_of(nat) == NAT_TCP_FIN_OUT);
    CHECK(nat.from_world(from_remote(TCP_FLAG_ACK)).verdict == Verdict::redirect);
    nat.from_world(from_remote(TCP_FLAG_FIN | TCP_FLAG_ACK));
    CHECK(state_of(nat) == NAT_TCP_FIN_BOTH);
    CHECK(nat.from_guest(from_guest(TCP_FLAG_ACK)).verdict == Verdict::redirect);
    nat.from_guest(from_guest(TCP_FLAG_SYN));
    CHECK(state_of(nat) == NAT_TCP_SYN_OUT);
  }
}

TEST_CASE("no packets of one side alone make a connection that counts as open")
{
  struct Row
  {
    const char* what;
    std::vector<std::uint8_t> flags;
    bool is_over; // its place is another's
  };
  constexpr std::uint8_t ANSWER = TCP_FLAG_SYN | TCP_FLAG_ACK;
  const Row rows[] = {
    {"a FIN", {TCP_FLAG_FIN}, false},
    {"two FINs, and an acknowledgement", {TCP_FLAG_FIN, TCP_FLAG_FIN, TCP_FLAG_ACK}, false},
    {"a FIN that a SYN is in", {TCP_FLAG_SYN | TCP_FLAG_FIN}, false},
    {"an answer to nothing", {ANSWER, TCP_FLAG_ACK}, false},
    {"a reset", {TCP_FLAG_RST}, true},
    {"a reset that is taken back", {TCP_FLAG_RST, TCP_FLAG_ACK}, true},
    {"a reset, and a FIN", {TCP_FLAG_RST, TCP_FLAG_FIN, TCP_FLAG_FIN}, true},
    {"a reset, and an answer to nothing", {TCP_FLAG_RST, ANSWER, TCP_FLAG_ACK}, false},
    {"a reset, and a SYN anew", {TCP_FLAG_RST, TCP_FLAG_SYN, TCP_FLAG_ACK}, false},
  };
  for (const bool is_outbound : {false, true}) {
    for (const Row& row : rows) {
      FOR_BOTH_HOOKS(nat)
      {
        CAPTURE(is_outbound);
        CAPTURE(row.what);
        nat.bind(GUEST, EXTERNAL, PROTOCOL_TCP);
        const auto sends = [&](std::uint8_t flags) {
          return is_outbound ? nat.from_guest(from_guest(flags))
                             : nat.from_world(from_remote(flags));
        };
        REQUIRE(sends(TCP_FLAG_SYN).verdict == Verdict::redirect);
        for (const std::uint8_t flags : row.flags) {
          REQUIRE(sends(flags).verdict == Verdict::redirect);
        }
        const std::uint32_t begun = is_outbound ? NAT_TCP_SYN_OUT : NAT_TCP_SYN_IN;
        CHECK((state_of(nat) == begun) == !row.is_over);
        NatExpiry expiry(nat.object(), {});
        CHECK(expiry.sweep(kernel_time() + 240s + LAG).sessions == 1);
      }
    }
  }
}

TEST_CASE("a reset before the answer, which may be forged, keeps no connection from opening")
{
  for (const bool is_outbound : {false, true}) {
    FOR_BOTH_HOOKS(nat)
    {
      CAPTURE(is_outbound);
      nat.bind(GUEST, EXTERNAL, PROTOCOL_TCP);
      const auto answer = [&] {
        constexpr std::uint8_t FLAGS = TCP_FLAG_SYN | TCP_FLAG_ACK;
        is_outbound ? nat.from_world(from_remote(FLAGS)) : nat.from_guest(from_guest(FLAGS));
      };
      is_outbound ? nat.from_guest(from_guest(TCP_FLAG_SYN))
                  : nat.from_world(from_remote(TCP_FLAG_SYN));
      nat.from_world(from_remote(TCP_FLAG_RST));
      answer();
      CHECK(state_of(nat) == NAT_TCP_ESTABLISHED);
      nat.from_world(from_remote(TCP_FLAG_RST));
      CHECK(state_of(nat) == NAT_TCP_RESET);
      nat.from_guest(from_guest(TCP_FLAG_ACK));
      CHECK(state_of(nat) == NAT_TCP_ESTABLISHED);
    }
  }
}

TEST_CASE("a guest's reset passes, but does not keep its binding alive")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.bind(GUEST, EXTERNAL, PROTOCOL_TCP); // its last packet was at time 0
    REQUIRE(nat.from_world(from_remote(TCP_FLAG_SYN)).verdict == Verdict::redirect);
    REQUIRE(nat.from_guest(from_guest(TCP_FLAG_RST | TCP_FLAG_ACK)).verdict == Verdict::redirect);
    const NatTable<nat_endpoint, nat_binding> bindings(nat.object().map("bindings"));
    CHECK(bindings.find(to_map(GUEST, PROTOCOL_TCP))->last_out == 0);
    CHECK(state_of(nat) == NAT_TCP_REFUSED_IN);
  }
}
