#include "accel/nat_bindings.hh"
#include "accel/nat_table.hh"
#include "slow_path.hh"

#include <doctest/doctest.h>
#include <functional>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <time.h>
#include <utility>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

const Endpoint GUEST = at("10.0.0.2:5000");
const Endpoint EXTERNAL = at("203.0.113.1:40000");
const Endpoint REMOTE = at("198.51.100.9:53");

Packet packet_of(std::uint8_t protocol = PROTOCOL_UDP, std::uint8_t tcp_flags = TCP_FLAG_ACK)
{
  return between(GUEST, REMOTE, protocol, tcp_flags);
}

Packet answer_of(std::uint8_t tcp_flags)
{
  return between(REMOTE, EXTERNAL, PROTOCOL_TCP, tcp_flags);
}

bool passes(NatBed& nat, const Packet& packet)
{
  return nat.from_guest(packet).verdict == Verdict::redirect;
}

std::uint32_t state_of(const NatBed& nat)
{
  std::uint32_t state = NAT_TCP_NONE;
  NatTable<nat_session_key, nat_session>(nat.object().map("sessions"))
    .for_each([&](const nat_session_key&, const nat_session& session) { state = session.state; });
  return state;
}

void remember_flows(NatBed& nat)
{
  nat.settings.filter_udp = NAT_FILTER_PORT; // there is a session to each flow
  nat.apply();
}

/// Until the clock that the programs read has gone on.
void await_tick()
{
  const auto now = [] {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
    return std::pair(time.tv_sec, time.tv_nsec);
  };
  for (const auto before = now(); now() == before;) {}
}

/// A binding whose flow the program remembers.
void use_binding(NatBed& nat)
{
  remember_flows(nat);
  nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP);
  REQUIRE(passes(nat, packet_of()));
}

/// Takes the binding away and tells nobody: what passes then is remembered.
void lose_binding(const NatBed& nat)
{
  NatTable<nat_endpoint, nat_binding>(nat.object().map("bindings"))
    .erase(to_map(GUEST, PROTOCOL_UDP));
}

/// What is known of the interface that the guest's packets come from.
void put_guest(const NatBed& nat, const nat_interface& guest)
{
  NatTable<std::uint32_t, nat_interface>(nat.object().map("interfaces")).put(1, guest);
}

void establish(NatBed& nat)
{
  nat.bind(GUEST, EXTERNAL, PROTOCOL_TCP);
  REQUIRE(passes(nat, packet_of(PROTOCOL_TCP, TCP_FLAG_SYN)));
  REQUIRE(nat.from_world(answer_of(TCP_FLAG_SYN | TCP_FLAG_ACK)).verdict == Verdict::redirect);
  REQUIRE(passes(nat, packet_of(PROTOCOL_TCP)));
  REQUIRE(passes(nat, packet_of(PROTOCOL_TCP)));
}

} // namespace

TEST_CASE("a flow's next packet is translated from memory, and alike")
{
  FOR_BOTH_HOOKS(nat)
  {
    remember_flows(nat);
    nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP);
    const Outcome first = nat.from_guest(packet_of());
    lose_binding(nat);
    const Outcome second = nat.from_guest(packet_of());
    CHECK(second.verdict == Verdict::redirect);
    CHECK(second.frame == first.frame);
    CHECK(nat.counted(NAT_OUT) == 2);
  }
}

TEST_CASE("nothing is remembered where that is not asked for")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.settings.recent_sets = 0;
    use_binding(nat);
    lose_binding(nat);
    CHECK_FALSE(passes(nat, packet_of()));
  }
}

TEST_CASE("nothing is remembered for longer than times may lag behind")
{
  FOR_BOTH_HOOKS(nat)
  {
    use_binding(nat);
    lose_binding(nat);
    NatTable<std::uint32_t, nat_recent> recent(nat.object().map("recent"));
    for (std::uint32_t set = 0; set < nat.settings.recent_sets; ++set) {
      nat_recent entry = recent.find(set).value();
      for (std::uint16_t& noted : entry.noted) {
        noted -= static_cast<std::uint16_t>(nat.settings.recent_ticks);
      }
      recent.put(set, entry);
    }
    CHECK_FALSE(passes(nat, packet_of()));
  }
}

TEST_CASE("without sessions all flows of a binding are remembered as one")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP);
    REQUIRE(passes(nat, packet_of()));
    lose_binding(nat);
    Packet other = packet_of();
    other.destination = at("198.51.100.8:54");
    CHECK(passes(nat, other));
    other.source.port = 5001;
    CHECK_FALSE(passes(nat, other));
  }
}

TEST_CASE("a flow is not remembered that comes by another router")
{
  FOR_BOTH_HOOKS(nat)
  {
    use_binding(nat);
    lose_binding(nat);
    Frame moved = FROM_GUEST;
    moved.source = OTHER_GUEST_MAC;
    CHECK(nat.run("nat_internal", frame(moved, build(packet_of()))).verdict != Verdict::redirect);
    CHECK(passes(nat, packet_of()));
  }
}

TEST_CASE("what comes in goes to the router that the guest is behind, be it the first one again")
{
  // Packets of one tick of the kernel's clock, whose owner is looked for once, and of several.
  for (const bool ticks : {false, true}) {
    FOR_BOTH_HOOKS(nat)
    {
      use_binding(nat);
      const auto send_by = [&](const MacAddress& router) {
        Frame by = FROM_GUEST;
        by.source = router;
        REQUIRE(nat.run("nat_internal", frame(by, build(packet_of()))).verdict
                == Verdict::redirect);
      };
      for (const MacAddress& router : {OTHER_GUEST_MAC, GUEST_MAC, OTHER_GUEST_MAC, GUEST_MAC}) {
        if (ticks) {
          await_tick();
        }
        send_by(router);
        await_tick();
        send_by(router);
        const Bytes received = nat.from_world(between(REMOTE, EXTERNAL)).frame;
        CHECK(std::equal(router.bytes.begin(), router.bytes.end(), received.begin()));
      }
    }
  }
}

TEST_CASE("what another processor is writing is neither read nor written")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.settings.recent_sets = 1;
    remember_flows(nat);
    nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP);
    NatTable<std::uint32_t, nat_recent> recent(nat.object().map("recent"));
    const auto let_write = [&](bool on) {
      nat_recent set = recent.find(0).value();
      set.sequence = on ? 1 : 2;
      recent.put(0, set);
    };
    let_write(true);
    CHECK(passes(nat, packet_of()));
    CHECK(recent.find(0).value().addresses[0] == 0);
    let_write(false);
    CHECK(passes(nat, packet_of()));
    let_write(true);
    lose_binding(nat);
    CHECK_FALSE(passes(nat, packet_of()));
    let_write(false);
    CHECK(passes(nat, packet_of()));
  }
}

TEST_CASE("a place that is free is taken before one in use, at any time of the clock")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.settings.recent_sets = 1;
    use_binding(nat);
    Packet other = packet_of();
    other.source.port = 5001;
    nat.bind(other.source, at("203.0.113.1:40001"), PROTOCOL_UDP);
    NatTable<std::uint32_t, nat_recent> recent(nat.object().map("recent"));
    nat_recent set = recent.find(0).value();
    const int used = set.addresses[0] == 0 ? 1 : 0;
    for (const int wanted : {0, 1}) {
      for (const std::uint16_t age : {1000, 20000, 40000, 60000}) {
        CAPTURE(age);
        nat_recent one{};
        one.addresses[1 - wanted] = set.addresses[used];
        one.ports[1 - wanted] = set.ports[used];
        one.rules[1 - wanted] = set.rules[used];
        one.noted[1 - wanted] = set.noted[used];
        one.noted[wanted] = static_cast<std::uint16_t>(set.noted[used] - age);
        recent.put(0, one);
        REQUIRE(passes(nat, other));
        CHECK(recent.find(0).value().addresses[wanted] != 0);
        CHECK(recent.find(0).value().ports[1 - wanted] == set.ports[used]);
      }
    }
  }
}

TEST_CASE("with zones, nothing passes from an interface that nobody serves")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.settings.flags = NAT_ZONES | NAT_ALLOCATE;
    nat.apply();
    CHECK(nat.from_guest(packet_of()).verdict == Verdict::drop);
    CHECK(nat.entries("bindings", sizeof(nat_endpoint)) == 0);
    put_guest(nat, {});
    CHECK(passes(nat, packet_of()));
  }
}

TEST_CASE("only the very flow is remembered")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.settings.recent_sets = 1;
    nat.settings.flags = NAT_ZONES;
    put_guest(nat, {});
    use_binding(nat);
    lose_binding(nat);
    Packet other = packet_of();
    other.source = at("10.0.0.3:5000");
    CHECK_FALSE(passes(nat, other));
    other.source = at("10.0.0.2:5001");
    CHECK_FALSE(passes(nat, other));
    other = packet_of();
    other.destination = at("198.51.100.8:53");
    CHECK_FALSE(passes(nat, other));
    other.destination = at("198.51.100.9:54");
    CHECK_FALSE(passes(nat, other));
    CHECK_FALSE(passes(nat, packet_of(PROTOCOL_TCP)));
    CHECK(passes(nat, packet_of()));
    nat.set_tap(7); // the same addresses of another zone
    CHECK(nat.from_guest(packet_of()).frame == frame(FROM_GUEST, build(packet_of())));
  }
}

TEST_CASE("flows that have one place in memory keep each its endpoint")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.settings.recent_sets = 1;
    remember_flows(nat);
    for (std::uint16_t i = 0; i < 5; ++i) {
      const auto port = static_cast<std::uint16_t>(5000 + i);
      nat.bind({GUEST.address, port},
               {EXTERNAL.address, static_cast<std::uint16_t>(40000 + i)},
               PROTOCOL_UDP);
    }
    for (std::uint16_t i = 0; i < 40; ++i) {
      const auto which = static_cast<std::uint16_t>(i / 2 % 5);
      Packet sent = packet_of();
      sent.source.port = static_cast<std::uint16_t>(5000 + which);
      Packet seen = sent;
      seen.source = {EXTERNAL.address, static_cast<std::uint16_t>(40000 + which)};
      --seen.hop_limit;
      CHECK(nat.from_guest(sent).frame == frame(TO_WORLD, build(seen)));
    }
  }
}

TEST_CASE("a remembered flow ends with its binding, at once")
{
  FOR_BOTH_HOOKS(nat)
  {
    use_binding(nat);
    NatBindings(nat.object())
      .end(to_map(GUEST, PROTOCOL_UDP), to_map(EXTERNAL, PROTOCOL_UDP), std::chrono::seconds(1));
    CHECK_FALSE(passes(nat, packet_of()));
  }
}

TEST_CASE("a remembered flow ends with its session, at once")
{
  for (const NatHook hook : BOTH_HOOKS) {
    SlowPath at(hook);
    at.opens(packet_of());
    CHECK(passes(at.nat, packet_of()));
    CHECK(passes(at.nat, packet_of()));
    Packet second = packet_of(); // holds the binding
    second.destination.port = 54;
    at.opens(second);
    at.writer.close(SlowPath::flow_of(packet_of()), 0, Clock::now());
    CHECK(at.bindings() == 1);
    CHECK(at.is_asked_about(packet_of()));
    CHECK(passes(at.nat, second));
  }
}

TEST_CASE("a remembered flow ends when its silence has been seen")
{
  for (const NatHook hook : BOTH_HOOKS) {
    SlowPath at(hook);
    at.opens(packet_of());
    CHECK(passes(at.nat, packet_of()));
    CHECK(at.expiry.sweep(Clock::now().time_since_epoch() + std::chrono::hours(1)).sessions == 1);
    CHECK(at.is_asked_about(packet_of()));
  }
}

TEST_CASE("a remembered flow is void when policy is")
{
  FOR_BOTH_HOOKS(nat)
  {
    use_binding(nat);
    ++nat.settings.generation;
    nat.apply();
    CHECK_FALSE(passes(nat, packet_of()));
  }
}

TEST_CASE("a filter that comes into force lets in whom a remembered flow sends to")
{
  FOR_BOTH_HOOKS(nat)
  {
    use_binding(nat);
    CHECK(nat.entries("sessions", sizeof(nat_session_key)) == 1);
    nat.settings.filter_udp = NAT_FILTER_ADDRESS;
    nat.apply();
    CHECK(passes(nat, packet_of()));
    CHECK(nat.entries("sessions", sizeof(nat_session_key)) == 2); // to all ports of the address
  }
}

TEST_CASE("a reset is seen, and taken back, though the connection is remembered")
{
  FOR_BOTH_HOOKS(nat)
  {
    establish(nat);
    nat.from_world(answer_of(TCP_FLAG_RST));
    CHECK(state_of(nat) == NAT_TCP_RESET);
    CHECK(passes(nat, packet_of(PROTOCOL_TCP)));
    CHECK(state_of(nat) == NAT_TCP_ESTABLISHED);
    CHECK(passes(nat, packet_of(PROTOCOL_TCP)));
    nat.from_guest(packet_of(PROTOCOL_TCP, TCP_FLAG_RST));
    CHECK(state_of(nat) == NAT_TCP_RESET);
    CHECK(passes(nat, packet_of(PROTOCOL_TCP)));
    CHECK(state_of(nat) == NAT_TCP_ESTABLISHED);
  }
}

TEST_CASE("a remembered connection's end is seen")
{
  FOR_BOTH_HOOKS(nat)
  {
    establish(nat);
    CHECK(passes(nat, packet_of(PROTOCOL_TCP, TCP_FLAG_FIN | TCP_FLAG_ACK)));
    CHECK(state_of(nat) == NAT_TCP_FIN_OUT);
    CHECK(passes(nat, packet_of(PROTOCOL_TCP)));
    nat.from_world(answer_of(TCP_FLAG_FIN | TCP_FLAG_ACK));
    CHECK(state_of(nat) == NAT_TCP_FIN_BOTH);
  }
}

namespace {

/// The same events for two programs: one that remembers and one that does not.
class Twins
{
public:
  Twins(NatHook hook, bool asks) : remembering_(hook), forgetful_(hook)
  {
    forgetful_.settings.recent_sets = 0;
    for (NatBed* const nat : {&remembering_, &forgetful_}) {
      nat->settings.flags = asks ? NAT_ASK_REMOTES : 0;
      nat->settings.filter_udp = nat->settings.filter_tcp = NAT_FILTER_PORT;
      nat->set_tap();
    }
    remembering_.settings.recent_sets = 2; // flows get in each other's way
    apply();
  }

  void apply()
  {
    remembering_.apply();
    forgetful_.apply();
  }
  /// Does a random one of the things that can happen.
  void step(std::minstd_rand& random)
  {
    const auto pick = [&](unsigned count) { return static_cast<std::uint16_t>(random() % count); };
    const std::uint8_t protocol = pick(2) == 0 ? PROTOCOL_UDP : PROTOCOL_TCP;
    const Endpoint guest{GUEST.address, static_cast<std::uint16_t>(5000 + pick(3))};
    const Endpoint external{EXTERNAL.address, static_cast<std::uint16_t>(35000 + guest.port)};
    const Endpoint remote{REMOTE.address, static_cast<std::uint16_t>(53 + pick(2))};
    static constexpr std::uint8_t FLAGS[] = {TCP_FLAG_ACK,
                                             TCP_FLAG_ACK,
                                             TCP_FLAG_ACK,
                                             TCP_FLAG_SYN,
                                             TCP_FLAG_SYN | TCP_FLAG_ACK,
                                             TCP_FLAG_FIN | TCP_FLAG_ACK,
                                             TCP_FLAG_RST};
    const std::uint8_t flags = FLAGS[pick(std::size(FLAGS))];
    switch (pick(16)) {
      case 0:
        each([&](NatBed& nat) {
          NatBindings(nat.object()).end(to_map(guest, protocol), to_map(external, protocol), {});
          NatBindings(nat.object()).wake(to_map(external, protocol));
        });
        break;
      case 1:
      case 2:
        each([&](NatBed& nat) { bind(nat, guest, external, protocol); });
        break;
      case 3:
        each([&](NatBed& nat) {
          NatBindings(nat.object()).end_session(session_of(external, remote, protocol));
        });
        break;
      case 4:
        each([&](NatBed& nat) { allow(nat, external, remote, protocol); });
        break;
      case 5:
        ++remembering_.settings.generation;
        ++forgetful_.settings.generation;
        apply();
        break;
      case 6:
      case 7:
      case 8:
        same(
          [&](NatBed& nat) { return nat.from_world(between(remote, external, protocol, flags)); });
        break;
      default:
        same([&](NatBed& nat) { return nat.from_guest(between(guest, remote, protocol, flags)); });
        break;
    }
    CHECK(states(remembering_) == states(forgetful_));
  }
  [[nodiscard]] std::uint64_t let_out() const { return remembering_.counted(NAT_OUT); }

private:
  void each(const std::function<void(NatBed&)>& act)
  {
    act(remembering_);
    act(forgetful_);
  }
  void same(const std::function<Outcome(NatBed&)>& act)
  {
    const Outcome one = act(remembering_);
    const Outcome other = act(forgetful_);
    CHECK(one.verdict == other.verdict);
    CHECK(one.frame == other.frame);
  }
  static void bind(NatBed& nat,
                   const Endpoint& guest,
                   const Endpoint& external,
                   std::uint8_t protocol)
  {
    NatTable<nat_endpoint, nat_binding> bindings(nat.object().map("bindings"));
    if (bindings.find(to_map(guest, protocol))) {
      NatBindings(nat.object()).renew(to_map(guest, protocol), nat.settings.generation, 0);
    } else {
      nat.bind(guest, external, protocol);
    }
  }
  static nat_session_key session_of(const Endpoint& external,
                                    const Endpoint& remote,
                                    std::uint8_t protocol)
  {
    return map_session(to_map(external, protocol), remote);
  }
  /// As policy does.
  static void allow(NatBed& nat,
                    const Endpoint& external,
                    const Endpoint& remote,
                    std::uint8_t protocol)
  {
    NatTable<nat_session_key, nat_session> sessions(nat.object().map("sessions"));
    nat_session session
      = sessions.find(session_of(external, remote, protocol)).value_or(nat_session{});
    session.flags |= NAT_ALLOWED;
    sessions.put(session_of(external, remote, protocol), session);
  }
  /// What the sessions are in, but for their times.
  static std::map<std::string, std::uint32_t> states(const NatBed& nat)
  {
    std::map<std::string, std::uint32_t> found;
    NatTable<nat_session_key, nat_session>(nat.object().map("sessions"))
      .for_each([&](const nat_session_key& key, const nat_session& session) {
        found[std::string(reinterpret_cast<const char*>(&key), sizeof key)]
          = session.state << 8U | session.flags;
      });
    return found;
  }

  NatBed remembering_;
  NatBed forgetful_;
};

} // namespace

TEST_CASE("who remembers does nothing else than who does not")
{
  for (const NatHook hook : BOTH_HOOKS) {
    for (const bool asks : {false, true}) {
      CAPTURE(asks);
      Twins twins(hook, asks);
      std::minstd_rand random(asks ? 1 : 2);
      for (int i = 0; i < 3000; ++i) {
        CAPTURE(i);
        twins.step(random);
      }
      CHECK(twins.let_out() > 100);
    }
  }
}
