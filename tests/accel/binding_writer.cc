// What the writer does when it is not the first, and the forwards that it makes.

#include "accel/binding_writer.hh"

#include "accel/nat_events.hh"
#include "slow_path.hh"

#include <doctest/doctest.h>

using namespace slirpstack;
using namespace slirpstack::test;
using namespace std::chrono_literals;

namespace {

const Endpoint SERVER = at("10.0.0.2:80");
const Endpoint PUBLIC = at("203.0.113.1:8080");
const Endpoint CLIENT = at("198.51.100.9:40000");

StaticForward forward(std::uint8_t protocol)
{
  return {protocol, PUBLIC, SERVER, {.ifindex = 1, .zone = 0, .mac = GUEST_MAC}};
}

} // namespace

TEST_CASE("two maps agree: the claim comes first, and is given back when the binding was lost")
{
  const NatBed nat(NatHook::xdp);
  NatBindings bindings(nat.object());
  const nat_endpoint internal = to_map(SERVER, PROTOCOL_UDP);
  const nat_endpoint other = to_map(at("10.0.0.2:81"), PROTOCOL_UDP);
  const nat_endpoint external = to_map(PUBLIC, PROTOCOL_UDP);
  const nat_endpoint another = to_map(at("203.0.113.1:8081"), PROTOCOL_UDP);
  CHECK(bindings.add(internal, external, {}, {}) == NatBindings::Added::added);
  CHECK(bindings.add(other, external, {}, {}) == NatBindings::Added::endpoint_taken);
  CHECK(bindings.add(internal, another, {}, {}) == NatBindings::Added::bound_already);
  CHECK(nat.entries("owners", sizeof(nat_endpoint)) == 1);
  CHECK(nat.entries("bindings", sizeof(nat_endpoint)) == 1);
  CHECK_FALSE(bindings.wake(external));
  bindings.end(internal, external, 1s);
  CHECK(bindings.add(other, external, {}, {}) == NatBindings::Added::endpoint_taken);
  CHECK(bindings.wake(external));
  CHECK(bindings.add(other, external, {}, {}) == NatBindings::Added::added);
}

TEST_CASE("a race that is lost: the other's binding is used, and no port is kept for it")
{
  for (const NatHook hook : BOTH_HOOKS) {
    SlowPath at(hook);
    at.nat.bind(SERVER, PUBLIC, PROTOCOL_UDP);
    const Packet packet = between(SERVER, CLIENT, PROTOCOL_UDP);
    CHECK(at.opens(packet).frame
          == frame(TO_WORLD, build(one_hop_on(between(PUBLIC, CLIENT, PROTOCOL_UDP)))));
    CHECK(at.owners() == 1);
    CHECK(at.writer.pool().ports_of(SERVER.address) == 0);
  }
}

TEST_CASE("an external endpoint that somebody else has is passed over")
{
  SlowPath at(NatHook::xdp, {.first_port = 7000, .last_port = 7001});
  for (const char* address : {"203.0.113.1:7000", "203.0.113.2:7000"}) {
    at.nat.bind({IpAddress::ipv4(at.nat.settings.internal[0].first + 77), 9},
                test::at(address),
                PROTOCOL_UDP);
  }
  const Packet packet = between(test::at("10.0.0.2:5000"), CLIENT, PROTOCOL_UDP);
  CHECK(at.offer(packet) == OffloadAnswer::taken);
  CHECK(at.nat.external_of(packet.source, PROTOCOL_UDP).port == 7001);
  CHECK(at.writer.pool().ports_of(packet.source.address) == 1);
}

TEST_CASE("a forward lets clients in, and their answers out, without asking")
{
  for (const NatHook hook : BOTH_HOOKS) {
    SlowPath at(hook);
    at.nat.settings.filter_tcp = at.nat.settings.filter_udp = NAT_FILTER_PORT;
    at.nat.apply();
    for (const std::uint8_t protocol : {PROTOCOL_TCP, PROTOCOL_UDP}) {
      CAPTURE(protocol);
      CHECK_FALSE(at.writer.add_static(forward(protocol), Clock::now()));
      const std::uint64_t asked = at.nat.counted(NAT_TO_SLIRPSTACK);
      const Packet in = between(CLIENT, PUBLIC, protocol);
      CHECK(at.nat.from_world(in).frame
            == frame(TO_GUEST, build(one_hop_on(between(CLIENT, SERVER, protocol)))));
      Packet out = between(SERVER, CLIENT, protocol);
      Packet seen = between(PUBLIC, CLIENT, protocol);
      out.tcp_flags = seen.tcp_flags = TCP_FLAG_SYN | TCP_FLAG_ACK;
      CHECK(at.nat.from_guest(out).frame == frame(TO_WORLD, build(one_hop_on(seen))));
      CHECK(at.nat.counted(NAT_TO_SLIRPSTACK) == asked);
      // What the guest begins itself from there is another matter.
      CHECK(at.is_asked_about(between(SERVER, test::at("192.0.2.1:9"), protocol)));
    }
  }
}

TEST_CASE("what is for a forward whose guest has not sent anything yet has slirpstack look for it")
{
  for (const NatHook hook : BOTH_HOOKS) {
    SlowPath at(hook);
    at.nat.settings.flags = NAT_ALLOCATE;
    at.nat.settings.filter_tcp = NAT_FILTER_PORT;
    at.nat.apply();
    std::vector<nat_event> events;
    NatEvents heard(at.nat.object(), [&](const nat_event& event) { events.push_back(event); });
    StaticForward unplaced = forward(PROTOCOL_TCP);
    unplaced.guest.mac = {};
    CHECK_FALSE(at.writer.add_static(unplaced, Clock::now() - 2s));
    const Packet from_world = between(CLIENT, PUBLIC, PROTOCOL_TCP);
    const Packet from_guest = between(test::at("10.0.0.3:9"), PUBLIC, PROTOCOL_TCP);
    CHECK(at.nat.from_world(from_world).verdict == Verdict::drop);
    CHECK(at.nat.from_guest(from_guest).verdict == Verdict::drop);
    CHECK(at.nat.counted(NAT_DROP_NO_ROUTE) == 2);
    CHECK(at.nat.entries("sessions", sizeof(nat_session_key)) == 1); // of the guest's own
    heard.read();
    std::erase_if(events, [](const nat_event& event) { return event.kind != NAT_EVENT_UNPLACED; });
    REQUIRE(events.size() == 1); // once a second
    CHECK(endpoint_of(events.front().internal) == SERVER);
    CHECK(events.front().internal.protocol == PROTOCOL_TCP);
    at.writer.place_static(PUBLIC, PROTOCOL_TCP, GUEST_MAC);
    CHECK(at.nat.from_world(from_world).frame
          == frame(TO_GUEST, build(one_hop_on(between(CLIENT, SERVER, PROTOCOL_TCP)))));
    CHECK(at.nat.from_guest(from_guest).verdict == Verdict::redirect);
  }
}

TEST_CASE("a successor's forward keeps what is known of where its guest is")
{
  SlowPath at(NatHook::xdp);
  StaticForward unplaced = forward(PROTOCOL_UDP);
  CHECK_FALSE(at.writer.add_static(unplaced, Clock::now()));
  BindingWriter successor(at.nat.object(), PortPool({PUBLIC.address}, {}, HashSecret{1, 2}), {});
  unplaced.guest.mac = {};
  CHECK_FALSE(successor.add_static(unplaced, Clock::now()));
  CHECK(at.nat.from_world(between(CLIENT, PUBLIC, PROTOCOL_UDP)).frame
        == frame(TO_GUEST, build(one_hop_on(between(CLIENT, SERVER, PROTOCOL_UDP)))));
}

TEST_CASE("a forward's port is nobody else's, and a guest's port has one forward")
{
  SlowPath at(NatHook::xdp, {.first_port = 8080, .last_port = 8080});
  CHECK_FALSE(at.writer.add_static(forward(PROTOCOL_UDP), Clock::now()));
  CHECK(at.writer.add_static(forward(PROTOCOL_UDP), Clock::now()) == StaticRefusal::external_taken);
  StaticForward second = forward(PROTOCOL_UDP);
  second.external.address = test::at("203.0.113.2:0").address;
  CHECK(at.writer.add_static(second, Clock::now()) == StaticRefusal::internal_taken);
  second.external.address = test::at("192.0.2.1:0").address;
  CHECK(at.writer.add_static(second, Clock::now()) == StaticRefusal::external_taken);
  CHECK(at.owners() == 1);
  CHECK_FALSE(at.writer.reserved().reserve(PUBLIC, PROTOCOL_UDP, Clock::now()));
  CHECK(at.writer.reserved().reserve(PUBLIC, PROTOCOL_TCP, Clock::now()));
  // Guests that are paired with that address get nothing; one of the others has its neighbour.
  int taken = 0;
  for (std::uint8_t host = 3; host < 20; ++host) {
    const Packet packet
      = between({IpAddress::ipv4(at.nat.settings.internal[0].first + host), 5000}, CLIENT);
    // By then the endpoint that was refused above has rested.
    if (at.offer(packet, Clock::now() + 200s) == OffloadAnswer::taken) {
      ++taken;
      CHECK(at.nat.external_of(packet.source, PROTOCOL_UDP).address.to_string() == "203.0.113.2");
    }
  }
  CHECK(taken == 1);
}

TEST_CASE("a forward lasts until it is removed; what came through it does not outlive it")
{
  SlowPath at(NatHook::xdp);
  CHECK_FALSE(at.writer.add_static(forward(PROTOCOL_TCP), Clock::now()));
  REQUIRE(at.nat.from_world(between(CLIENT, PUBLIC, PROTOCOL_TCP)).verdict == Verdict::redirect);
  REQUIRE(at.opens(between(SERVER, test::at("192.0.2.1:9"), PROTOCOL_TCP)).verdict
          == Verdict::redirect);
  at.offload.end_if([](const FlowRecord&) { return true; }, Clock::now());
  CHECK(at.bindings() == 1);
  CHECK(at.sessions() == 1);
  at.expiry.sweep((Clock::now() + 1000s).time_since_epoch());
  CHECK(at.bindings() == 1);
  CHECK(at.writer.remove_static(PUBLIC, PROTOCOL_TCP, Clock::now()));
  CHECK_FALSE(at.writer.remove_static(PUBLIC, PROTOCOL_TCP, Clock::now()));
  CHECK(at.bindings() == 0);
  CHECK(at.sessions() == 0);
  CHECK(at.nat.from_world(between(CLIENT, PUBLIC, PROTOCOL_TCP)).verdict == Verdict::host);
  CHECK_FALSE(at.writer.add_static(forward(PROTOCOL_TCP), Clock::now())); // though its port rests
  CHECK(at.nat.from_world(between(CLIENT, PUBLIC, PROTOCOL_TCP)).verdict == Verdict::redirect);
}

TEST_CASE("a successor takes over the forwards that it has too, and ends the others")
{
  for (const NatHook hook : BOTH_HOOKS) {
    SlowPath at(hook);
    StaticForward other = forward(PROTOCOL_UDP);
    other.external.port = 9090;
    CHECK_FALSE(at.writer.add_static(forward(PROTOCOL_TCP), Clock::now()));
    CHECK_FALSE(at.writer.add_static(other, Clock::now()));
    REQUIRE(at.nat.from_world(between(CLIENT, PUBLIC, PROTOCOL_TCP)).verdict == Verdict::redirect);
    REQUIRE(at.nat.from_world(between(CLIENT, other.external, PROTOCOL_UDP)).verdict
            == Verdict::redirect);

    BindingWriter second(at.nat.object(), PortPool({PUBLIC.address}, {}, HashSecret{5, 6}), {});
    CHECK_FALSE(second.add_static(forward(PROTOCOL_TCP), Clock::now()));
    second.adopt(Clock::now());
    CHECK(at.bindings() == 1);
    CHECK(at.sessions() == 1); // the connection goes on
    CHECK(at.nat.from_world(between(CLIENT, other.external, PROTOCOL_UDP)).verdict
          == Verdict::host);
    CHECK(second.remove_static(PUBLIC, PROTOCOL_TCP, Clock::now()));
    CHECK(at.bindings() == 0);
  }
}

TEST_CASE("a successor's forward goes before what a predecessor had there")
{
  for (const NatHook hook : BOTH_HOOKS) {
    SlowPath at(hook);
    CHECK_FALSE(at.writer.add_static(forward(PROTOCOL_TCP), Clock::now()));
    CHECK_FALSE(at.writer.add_static(forward(PROTOCOL_UDP), Clock::now()));
    REQUIRE(at.nat.from_world(between(CLIENT, PUBLIC, PROTOCOL_TCP)).verdict == Verdict::redirect);

    BindingWriter successor(at.nat.object(), PortPool({PUBLIC.address}, {}, HashSecret{5, 6}), {});
    StaticForward elsewhere = forward(PROTOCOL_TCP); // the same port leads to another one
    elsewhere.internal.port = 81;
    CHECK_FALSE(successor.add_static(elsewhere, Clock::now()));
    CHECK(at.sessions() == 0);
    StaticForward moved = forward(PROTOCOL_UDP); // another port leads to the same one
    moved.external.port = 9090;
    CHECK_FALSE(successor.add_static(moved, Clock::now()));
    CHECK(successor.add_static(forward(PROTOCOL_UDP), Clock::now())
          == StaticRefusal::internal_taken);
    successor.adopt(Clock::now());
    CHECK(at.bindings() == 2);
    CHECK(at.nat.from_world(between(CLIENT, PUBLIC, PROTOCOL_TCP)).verdict == Verdict::redirect);
    CHECK(at.nat.from_world(between(CLIENT, PUBLIC, PROTOCOL_UDP)).verdict == Verdict::host);
    CHECK(at.nat.from_world(between(CLIENT, moved.external, PROTOCOL_UDP)).verdict
          == Verdict::redirect);
  }
}

TEST_CASE("what the kernel has bound goes before a forward, unless that is from the start on")
{
  SlowPath at(NatHook::xdp);
  const Endpoint dialer = test::at("10.0.0.9:7");
  BindingWriter started(at.nat.object(), PortPool({PUBLIC.address}, {}, HashSecret{5, 6}), {});
  started.end_former_statics(Clock::now());
  at.nat.bind(dialer, PUBLIC, PROTOCOL_UDP);
  CHECK(started.add_static(forward(PROTOCOL_UDP), Clock::now()) == StaticRefusal::external_taken);
  CHECK_FALSE(started.reserved().reserve(PUBLIC, PROTOCOL_UDP, Clock::now()));
  // The refusal leaves nothing behind: when the binding has ended the port can be had.
  NatBindings bindings(at.nat.object());
  bindings.end(to_map(dialer, PROTOCOL_UDP), to_map(PUBLIC, PROTOCOL_UDP), 1s);
  CHECK_FALSE(started.add_static(forward(PROTOCOL_UDP), Clock::now()));
  CHECK(started.remove_static(PUBLIC, PROTOCOL_UDP, Clock::now()));

  at.nat.bind(dialer, PUBLIC, PROTOCOL_TCP);
  BindingWriter successor(at.nat.object(), PortPool({PUBLIC.address}, {}, HashSecret{5, 6}), {});
  CHECK_FALSE(successor.add_static(forward(PROTOCOL_TCP), Clock::now()));
  CHECK(at.bindings() == 1);
}

TEST_CASE("a port that a socket of the host has is no guest's, and what comes there is the host's")
{
  for (const std::uint32_t flags : {std::uint32_t{NAT_ASK_REMOTES}, std::uint32_t{NAT_ALLOCATE}}) {
    SlowPath at(NatHook::xdp, {.first_port = 8080, .last_port = 8080, .has_low_ports = false});
    at.nat.settings.flags = flags | NAT_POOL_IS_LOCAL;
    at.nat.settings.port_first = at.nat.settings.port_last = PUBLIC.port;
    at.nat.settings.external_ranges = 1;
    at.nat.settings.external[0].count = at.nat.settings.external_addresses = 1;
    at.nat.apply();
    const Endpoint other = test::at("203.0.113.2:8080");
    const TimePoint now = Clock::now();
    CHECK(at.writer.reserved().reserve(PUBLIC, PROTOCOL_UDP, now));
    CHECK(at.writer.reserved().reserve(other, PROTOCOL_UDP, now));
    CHECK(at.writer.reserved().reserve(
      PUBLIC, PROTOCOL_UDP, now)); // a second socket, of another device
    at.writer.reserved().release(PUBLIC, PROTOCOL_UDP, now);
    at.expiry.sweep((now + 1000s).time_since_epoch());
    CHECK(at.nat.from_world(between(CLIENT, PUBLIC, PROTOCOL_UDP)).verdict == Verdict::host);
    const Packet packet = between(SERVER, CLIENT, PROTOCOL_UDP);
    const auto leaves = [&](TimePoint when) {
      if (flags == NAT_ALLOCATE) {
        at.nat.from_guest(packet);
        return at.bindings() == 1;
      }
      return at.offer(packet, when) == OffloadAnswer::taken;
    };
    CHECK_FALSE(leaves(now + 1000s));
    // It rests, then it is anybody's.
    at.writer.reserved().release(PUBLIC, PROTOCOL_UDP, now);
    at.writer.reserved().release(other, PROTOCOL_UDP, now);
    at.expiry.sweep((now + 1000s).time_since_epoch());
    CHECK(leaves(now + 1000s));
  }
}

TEST_CASE("where the pool has another address, what is kept for sockets is kept there")
{
  const PortPool::Options options{.first_port = 8080, .last_port = 8080, .has_low_ports = false};
  SlowPath at(NatHook::xdp, options);
  const TimePoint now = Clock::now();
  const Endpoint moved = test::at("203.0.113.7:8080");
  CHECK(at.writer.reserved().reserve(PUBLIC, PROTOCOL_UDP, now));
  CHECK(at.writer.reserved().reserve(PUBLIC, PROTOCOL_UDP, now));
  at.writer.replace_pool(PortPool({moved.address}, options, HashSecret{5, 6}), moved.address, now);
  const Packet packet = between(SERVER, CLIENT, PROTOCOL_UDP);
  CHECK(at.offer(packet, now) != OffloadAnswer::taken);
  at.writer.reserved().release(moved, PROTOCOL_UDP, now);
  CHECK(at.offer(packet, now + 1000s) != OffloadAnswer::taken);
  at.writer.reserved().release(moved, PROTOCOL_UDP, now);
  at.expiry.sweep((now + 1000s).time_since_epoch());
  CHECK(at.offer(packet, now + 1000s) == OffloadAnswer::taken);
}

TEST_CASE(
  "a socket of the host keeps its port over a restart, and has it from a predecessor's guest")
{
  SlowPath at(NatHook::xdp, {.first_port = 8080, .last_port = 8081, .has_low_ports = false});
  at.opens(between(SERVER, CLIENT, PROTOCOL_UDP));
  const Endpoint bound = at.nat.external_of(SERVER, PROTOCOL_UDP);
  const Endpoint kept{bound.address, static_cast<std::uint16_t>(bound.port ^ 1U)};
  CHECK(at.writer.reserved().reserve(kept, PROTOCOL_UDP, Clock::now()));
  at.offload.drop_records();

  BindingWriter successor(at.nat.object(), PortPool({bound.address}, {}, HashSecret{5, 6}), {});
  CHECK(successor.reserved().reserve(bound, PROTOCOL_UDP, Clock::now()));
  CHECK(successor.reserved().reserve(kept, PROTOCOL_UDP, Clock::now()));
  successor.adopt(Clock::now());
  CHECK(at.bindings() == 0);
  CHECK(at.sessions() == 0);
  CHECK(at.nat.from_world(between(CLIENT, bound, PROTOCOL_UDP)).verdict == Verdict::host);

  BindingWriter third(at.nat.object(), PortPool({bound.address}, {}, HashSecret{5, 6}), {});
  CHECK(third.reserved().reserve(bound, PROTOCOL_UDP, Clock::now()));
  third.adopt(Clock::now());
  at.expiry.sweep((Clock::now() + 1000s).time_since_epoch());
  CHECK(at.owners() == 1); // the other is nobody's any more

  BindingWriter fourth(at.nat.object(), PortPool({bound.address}, {}, HashSecret{5, 6}), {});
  StaticForward published = forward(PROTOCOL_UDP); // in place of the socket
  published.external = bound;
  CHECK_FALSE(fourth.add_static(published, Clock::now()));
  CHECK(at.nat.from_world(between(CLIENT, bound, PROTOCOL_UDP)).verdict == Verdict::redirect);
}

TEST_CASE("a guest that uses the port of a forward to come keeps its binding")
{
  SlowPath at(NatHook::xdp);
  at.opens(between(SERVER, CLIENT, PROTOCOL_UDP));
  CHECK(at.writer.add_static(forward(PROTOCOL_UDP), Clock::now()) == StaticRefusal::internal_taken);
  CHECK_FALSE(at.is_asked_about(between(SERVER, CLIENT, PROTOCOL_UDP)));
  CHECK(at.owners() == 1);
}

TEST_CASE("a successor takes over bindings, ports that rest, and what is known of connections")
{
  for (const NatHook hook : BOTH_HOOKS) {
    constexpr PortPool::Options PORTS{
      .first_port = 7000, .last_port = 7002, .has_low_ports = false};
    SlowPath at(hook, PORTS);
    const Packet live = between(SERVER, CLIENT, PROTOCOL_TCP);
    at.opens(live);
    const Endpoint external = at.nat.external_of(SERVER, PROTOCOL_TCP);
    const Packet gone = between(test::at("10.0.0.2:81"), CLIENT, PROTOCOL_TCP);
    at.opens(gone);
    at.writer.close(SlowPath::flow_of(gone), 0, Clock::now());
    at.offload.drop_records();
    // The successor: its policy has allowed nothing yet.
    ++at.nat.settings.generation;
    at.nat.apply();
    BindingWriter writer(
      at.nat.object(), PortPool({external.address}, PORTS, HashSecret{5, 6}), {});
    writer.adopt(Clock::now());
    GuestOffload offload(writer, at.nat.object(), {.ifindex = 1}, HashSecret{7, 8});
    CHECK(writer.bindings() == 1);
    CHECK(writer.pool().ports_of(SERVER.address) == 1);
    Packet middle = live;
    middle.tcp_flags = TCP_FLAG_ACK;
    CHECK(at.is_asked_about(middle));
    CHECK(offload.was_carried(SlowPath::flow_of(live)));
    CHECK_FALSE(offload.was_carried(SlowPath::flow_of(gone)));
    CHECK_FALSE(offload.was_carried(SlowPath::flow_of(between(SERVER, PUBLIC, PROTOCOL_TCP))));
    const FlowKey other = SlowPath::flow_of(between(SERVER, PUBLIC, PROTOCOL_TCP));
    offload.end_former(other); // of which nothing is known
    CHECK(at.offer_to(offload, middle) == OffloadAnswer::taken);
    CHECK_FALSE(at.is_asked_about(middle));
    CHECK(at.nat.external_of(SERVER, PROTOCOL_TCP) == external);
    // One port is taken, one rests: one is left.
    const auto next = [&](std::uint16_t port) {
      return at.offer_to(offload, between({SERVER.address, port}, CLIENT, PROTOCOL_TCP));
    };
    CHECK(next(82) == OffloadAnswer::taken);
    CHECK(next(83) == OffloadAnswer::exhausted);
    offload.drop_records();
  }
}

TEST_CASE("the end of a guest's bindings takes their sessions along, and tells who made them")
{
  SlowPath at(NatHook::xdp);
  at.opens(between(SERVER, CLIENT, PROTOCOL_TCP));
  const Packet other = between(test::at("10.0.0.3:80"), CLIENT, PROTOCOL_TCP);
  at.opens(other);
  const nat_endpoint internal = to_map(SERVER, PROTOCOL_TCP);
  const nat_endpoint external = to_map(at.nat.external_of(SERVER, PROTOCOL_TCP), PROTOCOL_TCP);
  at.expiry.end({{internal, external}}, Clock::now().time_since_epoch());
  CHECK(at.offload.size() == 1);
  CHECK(at.writer.bindings() == 1);
  CHECK(at.bindings() == 1);
  CHECK(at.sessions() == 1);
  CHECK(at.owners() == 2); // one of them rests
  CHECK_FALSE(at.is_asked_about(other));
}

TEST_CASE("what a successor's policy denies comes in no more")
{
  for (const NatHook hook : BOTH_HOOKS) {
    for (const auto filter : {NAT_FILTER_ADDRESS, NAT_FILTER_PORT}) {
      CAPTURE(filter);
      SlowPath at(hook);
      at.nat.settings.filter_udp = filter;
      at.nat.apply();
      const Packet sent = between(SERVER, CLIENT, PROTOCOL_UDP);
      at.opens(sent);
      const Endpoint external = at.nat.external_of(SERVER, PROTOCOL_UDP);
      const Packet answer = between(CLIENT, external, PROTOCOL_UDP);
      CHECK(at.nat.from_world(answer).verdict == Verdict::redirect);
      at.offload.drop_records();
      CHECK(at.offload.was_carried(SlowPath::flow_of(sent)));
      at.offload.end_former(SlowPath::flow_of(sent));
      CHECK_FALSE(at.offload.was_carried(SlowPath::flow_of(sent)));
      CHECK(at.nat.from_world(answer).verdict == Verdict::drop);
      CHECK(at.is_asked_about(sent));
    }
  }
}
