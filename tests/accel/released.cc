// Connections that both sides have ended, and what a guest tries in order to go on with them.

#include "slow_path.hh"

#include <doctest/doctest.h>

using namespace slirpstack;
using namespace slirpstack::test;
using namespace std::chrono_literals;

namespace {

const Endpoint GUEST = at("10.0.0.2:5000");
const Endpoint REMOTE = at("198.51.100.9:53");

constexpr std::uint8_t FIN = TCP_FLAG_FIN | TCP_FLAG_ACK;

/// One connection of a guest's, from its first packet on.
class Connection
{
public:
  Connection(SlowPath& path, const Endpoint& guest = GUEST, const Endpoint& remote = REMOTE)
    : path_(path), guest_(guest), remote_(remote)
  {
    path.opens(out(TCP_FLAG_SYN));
    external_ = path.nat.external_of(guest, PROTOCOL_TCP);
    REQUIRE(comes_in(TCP_FLAG_SYN | TCP_FLAG_ACK));
    REQUIRE_FALSE(path.is_asked_about(out(TCP_FLAG_ACK)));
  }

  [[nodiscard]] Packet out(std::uint8_t flags) const
  {
    return without_data(between(guest_, remote_, PROTOCOL_TCP, flags));
  }
  [[nodiscard]] Packet data_out() const
  {
    return between(guest_, remote_, PROTOCOL_TCP, TCP_FLAG_ACK);
  }
  bool comes_in(std::uint8_t flags)
  {
    return passes(without_data(between(remote_, external_, PROTOCOL_TCP, flags)));
  }
  bool data_comes_in() { return passes(between(remote_, external_, PROTOCOL_TCP, TCP_FLAG_ACK)); }
  /// Ends it, and waits until that is seen.
  void end(bool is_reset)
  {
    if (is_reset) {
      REQUIRE(comes_in(TCP_FLAG_RST));
    } else {
      REQUIRE_FALSE(path_.is_asked_about(out(FIN)));
      REQUIRE(comes_in(FIN));
    }
    path_.expiry.sweep(kernel_time());
    REQUIRE_FALSE(path_.offload.carries(SlowPath::flow_of(out(0))));
  }

private:
  bool passes(const Packet& packet)
  {
    return path_.nat.from_world(packet).verdict == Verdict::redirect;
  }

  SlowPath& path_;
  Endpoint guest_;
  Endpoint remote_;
  Endpoint external_;
};

/// As if no packet had been seen for so long.
void age_sessions(const SlowPath& path, std::chrono::nanoseconds by)
{
  NatTable<nat_session_key, nat_session> sessions(path.nat.object().map("sessions"));
  std::vector<std::pair<nat_session_key, nat_session>> all;
  sessions.for_each([&](const nat_session_key& key, const nat_session& session) {
    all.emplace_back(key, session);
  });
  for (auto& [key, session] : all) {
    session.last -= static_cast<std::uint64_t>(by.count());
    sessions.put(key, session);
  }
}

/// By each hook, for a connection that is ended by the remote's reset and by both sides' FIN.
template<typename Test>
void for_each_ending(Test test)
{
  for (const NatHook hook : BOTH_HOOKS) {
    for (const bool is_reset : {false, true}) {
      CAPTURE(is_reset);
      SlowPath path(hook);
      test(path, is_reset);
    }
  }
}

} // namespace

TEST_CASE("what carries data on an ended connection is asked about, each time")
{
  for_each_ending([](SlowPath& path, bool is_reset) {
    Connection connection(path);
    connection.end(is_reset);
    for (int i = 0; i < 2; ++i) {
      CHECK(path.is_asked_about(connection.data_out()));
      // The last acknowledgement may have to be said again; it opens no way for data.
      CHECK(path.is_asked_about(connection.out(TCP_FLAG_ACK)) == is_reset);
      CHECK_FALSE(path.is_asked_about(connection.out(TCP_FLAG_RST)));
    }
    CHECK(path.is_asked_about(connection.data_out()));
    Packet large = connection.out(FIN);
    large.data.assign(40, 'x');
    const Bytes header_alone = frame(FROM_GUEST, fragment(build(large), 0, 24, true));
    CHECK(path.nat.run("nat_internal", header_alone).frame == header_alone);
  });
}

TEST_CASE("a remote's data on an ended connection comes in, and the guest's answer is asked about")
{
  for (const NatHook hook : BOTH_HOOKS) {
    SlowPath path(hook);
    Connection connection(path);
    connection.end(false);
    CHECK_FALSE(path.is_asked_about(connection.out(TCP_FLAG_ACK)));
    CHECK(connection.data_comes_in()); // it may have been lost on its way here
    CHECK(path.is_asked_about(connection.out(TCP_FLAG_ACK)));
    REQUIRE(path.offer(connection.out(TCP_FLAG_ACK)) == OffloadAnswer::taken);
    CHECK_FALSE(path.is_asked_about(connection.out(TCP_FLAG_ACK)));
    CHECK(path.offload.size() == 1);
    path.expiry.sweep(kernel_time()); // both have ended it still
    CHECK(path.offload.size() == 0);
  }
}

TEST_CASE("nothing prolongs an ended connection")
{
  for_each_ending([](SlowPath& path, bool is_reset) {
    Connection connection(path);
    connection.end(is_reset);
    age_sessions(path, LAG + 250s);
    path.is_asked_about(connection.out(is_reset ? TCP_FLAG_RST : TCP_FLAG_ACK));
    connection.comes_in(TCP_FLAG_RST);
    connection.comes_in(TCP_FLAG_ACK);
    connection.comes_in(TCP_FLAG_SYN);
    connection.data_comes_in();
    path.expiry.sweep(kernel_time());
    CHECK(path.sessions() == 0);
  });
}

TEST_CASE("a change of policy leaves no ended connection behind, though it denies no live one")
{
  for_each_ending([](SlowPath& path, bool is_reset) {
    Connection ended(path);
    Connection live(path, {GUEST.address, 5001});
    ended.end(is_reset);
    CHECK(path.offload.end_if([](const FlowRecord&) { return false; }, Clock::now()) == 0);
    CHECK(path.is_asked_about(ended.out(is_reset ? TCP_FLAG_RST : TCP_FLAG_ACK)));
    CHECK_FALSE(ended.comes_in(TCP_FLAG_ACK));
    CHECK_FALSE(ended.data_comes_in());
    CHECK_FALSE(path.is_asked_about(live.data_out()));
    CHECK(live.data_comes_in());
  });
}

TEST_CASE("ended connections are part of what a guest leaves to the others, and make room for it")
{
  SlowPath path(NatHook::xdp, {}, {.max_flows = 30, .is_shared = true});
  GuestOffload other(path.writer, path.nat.object(), {.ifindex = 2, .zone = 1}, HashSecret{5, 6});
  std::uint16_t port = 1000;
  for (int i = 0; i < 40; ++i) { // as fast as it can
    Connection(path, GUEST, {REMOTE.address, ++port}).end(true);
  }
  CHECK(path.offload.size() == 0);
  CHECK(path.sessions() == 15);
  while (path.offer_to(other, between(GUEST, {REMOTE.address, ++port}, PROTOCOL_TCP))
         == OffloadAnswer::taken) {
    REQUIRE(port < 2000);
  }
  CHECK(other.size() == 8);
  // The newest are those that are known still.
  CHECK(path.offload.was_carried(
    SlowPath::flow_of(between(GUEST, {REMOTE.address, 1040}, PROTOCOL_TCP))));
  CHECK_FALSE(path.offload.was_carried(
    SlowPath::flow_of(between(GUEST, {REMOTE.address, 1001}, PROTOCOL_TCP))));
}

TEST_CASE("in a full table a guest's ended connections make room for its next ones")
{
  SlowPath path(NatHook::xdp);
  for (std::uint16_t port = 1; port <= 300; ++port) { // of 256
    Connection(path, GUEST, {REMOTE.address, port}).end(true);
  }
  CHECK(path.writer.refused() == 0);
}
