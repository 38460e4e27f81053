// The slow path of the NAT: from a packet that nobody has decided on to a flow in the kernel.

#include "accel/guest_offload.hh"

#include "slow_path.hh"
#include "wire/ipv4_split.hh"

#include <doctest/doctest.h>

using namespace slirpstack;
using namespace slirpstack::test;
using namespace std::chrono_literals;

namespace {

const Endpoint GUEST = at("10.0.0.2:5000");
const Endpoint REMOTE = at("198.51.100.9:53");
const Endpoint OTHER = at("192.0.2.7:123");

Packet to(const Endpoint& remote, std::uint8_t protocol = PROTOCOL_UDP, Endpoint guest = GUEST)
{
  return between(guest, remote, protocol);
}

/// As the world sees it.
Packet translated(Packet packet, const Endpoint& external)
{
  packet.source = external;
  --packet.hop_limit;
  return packet;
}

/// The remote's answer to what it has seen, and what the guest gets of it.
std::pair<Packet, Packet> answer(const Packet& sent, const Endpoint& external)
{
  Packet outside = sent;
  outside.tcp_flags = TCP_FLAG_SYN | TCP_FLAG_ACK;
  outside.icmp_type = 0;
  const bool is_icmp = sent.protocol == PROTOCOL_ICMP;
  outside.source = {sent.destination.address, is_icmp ? external.port : sent.destination.port};
  outside.destination = external;
  Packet inside = outside;
  inside.source.port = is_icmp ? sent.source.port : sent.destination.port;
  inside.destination = sent.source;
  --inside.hop_limit;
  return {outside, inside};
}

std::vector<Bytes> pieces_of(const Packet& packet, std::size_t mtu_bytes)
{
  std::vector<Bytes> pieces;
  split_ipv4(build(packet), mtu_bytes, [&](ByteView header, ByteView payload) {
    Bytes& piece = pieces.emplace_back(header.begin(), header.end());
    piece.insert(piece.end(), payload.begin(), payload.end());
  });
  return pieces;
}

std::chrono::nanoseconds after(Duration duration)
{
  return (Clock::now() + duration).time_since_epoch();
}

} // namespace

TEST_CASE("a first packet is asked about, given back, and translated; so is all that follows")
{
  for (const NatHook hook : BOTH_HOOKS) {
    SlowPath at(hook);
    Endpoint guest = GUEST;
    for (const std::uint8_t protocol : {PROTOCOL_UDP, PROTOCOL_TCP, PROTOCOL_ICMP}) {
      for (const auto filter : {NAT_FILTER_ENDPOINT, NAT_FILTER_ADDRESS, NAT_FILTER_PORT}) {
        CAPTURE(protocol);
        CAPTURE(filter);
        at.nat.settings.filter_tcp = at.nat.settings.filter_udp = at.nat.settings.filter_icmp
          = filter;
        at.nat.apply();
        ++guest.port;
        Packet packet = to(REMOTE, protocol, guest);
        const Outcome opened = at.opens(packet);
        const Endpoint external = at.nat.external_of(guest, protocol);
        CHECK(opened.verdict == Verdict::redirect);
        CHECK(opened.frame == frame(TO_WORLD, build(translated(packet, external))));
        const auto [outside, inside] = answer(packet, external);
        CHECK(at.nat.from_world(outside).frame == frame(TO_GUEST, build(inside)));
        packet.tcp_flags = TCP_FLAG_ACK;
        CHECK(at.nat.from_guest(packet).frame
              == frame(TO_WORLD, build(translated(packet, external))));
        CHECK(at.offload.carries(SlowPath::flow_of(packet)));
      }
    }
    CHECK(at.nat.counted(NAT_TO_SLIRPSTACK) == 9); // of 18 from the guest
    CHECK(at.nat.counted(NAT_OUT) == 18);
  }
}

TEST_CASE("each remote of an endpoint is asked about, and all see the same external endpoint")
{
  for (const NatHook hook : BOTH_HOOKS) {
    SlowPath at(hook);
    for (const std::uint8_t protocol : {PROTOCOL_UDP, PROTOCOL_TCP, PROTOCOL_ICMP}) {
      CAPTURE(protocol);
      at.opens(to(REMOTE, protocol));
      const Endpoint external = at.nat.external_of(GUEST, protocol);
      const Packet second = to(OTHER, protocol);
      CHECK(at.opens(second).frame == frame(TO_WORLD, build(translated(second, external))));
    }
    CHECK(at.bindings() == 3);
    CHECK(at.offload.size() == 6);
    CHECK(at.writer.pool().ports_of(GUEST.address) == 3);
  }
}

TEST_CASE("what was not allowed does not pass on another's binding, not even in fragments")
{
  for (const NatHook hook : BOTH_HOOKS) {
    SlowPath at(hook);
    at.opens(to(REMOTE));
    const Bytes sent = frame(FROM_GUEST, build(to(OTHER)));
    CHECK(at.is_asked_about(to(OTHER)));
    CHECK(at.nat.run("nat_tap", sent).verdict == Verdict::drop);
    CHECK(at.is_asked_about(to({REMOTE.address, 54})));
    Packet large = to(OTHER);
    large.data.assign(1000, 'x');
    const Bytes whole = build(large);
    for (const Bytes& piece : {fragment(whole, 0, 504, true), fragment(whole, 504, 504, false)}) {
      const Bytes one = frame(FROM_GUEST, piece);
      const std::uint64_t before = at.nat.counted(NAT_TO_SLIRPSTACK);
      CHECK(at.nat.run("nat_internal", one).frame == one);
      CHECK(at.nat.counted(NAT_TO_SLIRPSTACK) == before + 1);
    }
    CHECK(at.nat.counted(NAT_OUT) == 1);
    // Those of a flow that is carried do.
    REQUIRE(at.offer(to(OTHER)) == OffloadAnswer::taken);
    for (const Bytes& piece : {fragment(whole, 0, 504, true), fragment(whole, 504, 504, false)}) {
      CHECK(at.nat.run("nat_internal", frame(FROM_GUEST, piece)).verdict == Verdict::redirect);
    }
    CHECK(at.nat.counted(NAT_OUT) == 3);
  }
}

TEST_CASE("a carried packet too big for the route is answered with the MTU, on either way")
{
  for (const NatHook hook : BOTH_HOOKS) {
    SlowPath at(hook);
    at.opens(to(REMOTE));
    at.nat.route(Prefix::parse("198.51.100.0/24").value(), 576);
    Packet packet = to(REMOTE);
    packet.data.assign(600, 'x');
    packet.dont_fragment = true;
    Bytes quote = build(packet);
    quote.resize(IPV4_HEADER_BYTES + 8);
    Packet error = to(GUEST, PROTOCOL_ICMP, test::at("10.0.0.1:0"));
    error.identification = 0;
    error.icmp_type = 3;
    error.icmp_code = 4;
    error.icmp_mtu = 576;
    error.icmp_quote = quote;
    for (const char* program : {"nat_internal", "nat_tap"}) {
      CAPTURE(program);
      CHECK(at.nat.run(program, frame(FROM_GUEST, build(packet))).frame
            == frame(TO_GUEST, build(error)));
    }
  }
}

TEST_CASE(
  "a carried packet too big for the route goes to slirpstack, whose pieces leave translated")
{
  for (const NatHook hook : BOTH_HOOKS) {
    for (const std::uint8_t protocol : {PROTOCOL_UDP, PROTOCOL_TCP, PROTOCOL_ICMP}) {
      CAPTURE(protocol);
      SlowPath at(hook);
      Packet packet = to(REMOTE, protocol);
      at.opens(packet);
      const Endpoint external = at.nat.external_of(GUEST, protocol);
      at.nat.route(Prefix::parse("198.51.100.0/24").value(), 576);
      CHECK(at.offload.mtu_towards(REMOTE.address) == 576);
      packet.tcp_flags = TCP_FLAG_ACK;
      packet.data.assign(1400, 'x');
      packet.options = {0x94, 4, 0, 0};
      CHECK(at.is_asked_about(packet));
      CHECK(at.nat.run("nat_tap", frame(FROM_GUEST, build(packet))).verdict == Verdict::drop);
      const std::vector<Bytes> sent = pieces_of(packet, 576);
      const std::vector<Bytes> seen = pieces_of(translated(packet, external), 576);
      REQUIRE(sent.size() == 3);
      for (std::size_t i = 0; i < sent.size(); ++i) {
        CAPTURE(i);
        CHECK(at.nat.run("nat_tap", frame(FROM_GUEST, sent[i])).frame == frame(TO_WORLD, seen[i]));
      }
      CHECK(at.nat.counted(NAT_DROP_TOO_BIG) == 1);
    }
  }
}

TEST_CASE("behind a first fragment that is too big for the route all others go to slirpstack")
{
  for (const NatHook hook : BOTH_HOOKS) {
    SlowPath at(hook);
    Packet packet = to(REMOTE);
    at.opens(packet);
    at.nat.route(Prefix::parse("198.51.100.0/24").value(), 576);
    packet.data.assign(1000, 'x');
    const Bytes whole = build(packet);
    const Bytes pieces[] = {fragment(whole, 0, 800, true), fragment(whole, 800, 208, false)};
    for (const Bytes& piece : pieces) {
      CHECK(at.nat.run("nat_internal", frame(FROM_GUEST, piece)).frame == frame(FROM_GUEST, piece));
    }
    CHECK(at.nat.counted(NAT_TO_SLIRPSTACK) == 3);
  }
}

TEST_CASE(
  "of a super-segment each segment has to fit the way, and the guest is told the MTU if not")
{
  SlowPath at(NatHook::tc);
  Packet packet = to(REMOTE, PROTOCOL_TCP);
  at.opens(packet);
  packet.tcp_flags = TCP_FLAG_ACK;
  packet.dont_fragment = true;
  packet.data.assign(1400, 'x');
  const Bytes super = frame(FROM_GUEST, build(packet));
  at.nat.route(Prefix::parse("198.51.100.0/24").value(), 1400);
  constexpr std::uint32_t FITTING = 1400 - IPV4_HEADER_BYTES - TCP_HEADER_BYTES;
  for (const char* program : {"nat_internal", "nat_tap"}) {
    CAPTURE(program);
    const std::uint64_t answered = at.nat.counted(NAT_ANSWERED);
    const Outcome told = at.nat.run_super(program, super, FITTING + 1);
    CHECK(told.verdict == Verdict::redirect);
    CHECK(at.nat.counted(NAT_ANSWERED) == answered + 1);
    Packet alone = packet;
    alone.data.assign(FITTING + 1, 'x');
    const Outcome same = at.nat.run(program, frame(FROM_GUEST, build(alone)));
    REQUIRE(same.frame.size() == told.frame.size());
    CHECK(std::equal(told.frame.begin() + 34, told.frame.begin() + 36, same.frame.begin() + 34));
    CHECK(std::equal(told.frame.begin() + 38, told.frame.begin() + 42, same.frame.begin() + 38));
    const std::uint64_t out = at.nat.counted(NAT_OUT);
    CHECK(at.nat.run_super(program, super, FITTING).verdict == Verdict::redirect);
    CHECK(at.nat.counted(NAT_OUT) == out + 1);
  }
  packet.dont_fragment = false;
  const Bytes may_be_cut = frame(FROM_GUEST, build(packet));
  CHECK(at.nat.run_super("nat_internal", may_be_cut, FITTING + 1).frame == may_be_cut);
}

TEST_CASE("what the kernel does not translate is declined")
{
  SlowPath at(NatHook::xdp);
  const nat_route_key key{24, to_map(Endpoint{OTHER.address, 0}, 0).address};
  const std::uint32_t value = 0;
  NatTable<nat_route_key, std::uint32_t>(at.nat.object().map("exempt")).put(key, value);
  at.nat.settings.flags |= NAT_EXEMPTIONS;
  at.nat.apply();
  CHECK(at.offer(to(OTHER)) == OffloadAnswer::declined);
  CHECK(at.offer(to(test::at("10.0.0.9:80"))) == OffloadAnswer::declined);
  CHECK(at.offer(to(test::at("127.0.0.1:80"))) == OffloadAnswer::declined);
  CHECK(at.offer(to(test::at("224.0.0.1:80"))) == OffloadAnswer::declined);
  CHECK(at.offer(to(REMOTE, PROTOCOL_UDP, test::at("10.9.9.9:1000"))) == OffloadAnswer::declined);
  CHECK(at.offer(to({REMOTE.address, 0})) == OffloadAnswer::declined);
  CHECK(at.offload.size() == 0);
  CHECK(at.owners() == 0);
  CHECK(at.offer(to(REMOTE)) == OffloadAnswer::taken);
}

TEST_CASE("an external endpoint is another guest's, or else the host's own service")
{
  SlowPath at(NatHook::xdp);
  REQUIRE(at.offer(to(REMOTE)) == OffloadAnswer::taken);
  const Endpoint external = at.nat.external_of(GUEST, PROTOCOL_UDP);
  const Endpoint other_guest = test::at("10.0.0.3:80");
  const Endpoint service{external.address, static_cast<std::uint16_t>(external.port ^ 1U)};
  CHECK(at.offer(to(service, PROTOCOL_UDP, other_guest)) == OffloadAnswer::declined);
  CHECK(at.offer(to(external, PROTOCOL_TCP, other_guest)) == OffloadAnswer::declined);
  CHECK(at.offer(to(external, PROTOCOL_ICMP, other_guest)) == OffloadAnswer::declined);
  CHECK(at.offer(to(external, PROTOCOL_UDP, other_guest)) == OffloadAnswer::taken);
  at.writer.close(SlowPath::flow_of(to(REMOTE)), 0, Clock::now());
  CHECK(at.offer(to(external, PROTOCOL_UDP, test::at("10.0.0.3:81"))) == OffloadAnswer::declined);
}

TEST_CASE("a guest beyond its quota and an external address without a port are told apart")
{
  SlowPath few(NatHook::xdp, {.quota = 1});
  CHECK(few.offer(to(REMOTE)) == OffloadAnswer::taken);
  CHECK(few.offer(to(OTHER)) == OffloadAnswer::taken); // the same endpoint
  CHECK(few.offer(to(REMOTE, PROTOCOL_UDP, {GUEST.address, 5001})) == OffloadAnswer::quota);
  SlowPath one(NatHook::xdp, {.first_port = 7000, .last_port = 7000});
  CHECK(one.offer(to(REMOTE)) == OffloadAnswer::taken);
  CHECK(one.offer(to(REMOTE, PROTOCOL_UDP, {GUEST.address, 5001})) == OffloadAnswer::exhausted);
  CHECK(one.writer.refused() == 1);
  CHECK(one.bindings() == 1);
  CHECK(one.owners() == 1);
  CHECK(one.sessions() == 1);
}

TEST_CASE("full maps refuse a flow and keep nothing of it")
{
  SlowPath at(NatHook::xdp);
  at.nat.fill_bindings();
  const std::size_t full = at.bindings();
  CHECK(at.offer(to(REMOTE)) == OffloadAnswer::exhausted);
  CHECK(at.bindings() == full);
  CHECK(at.owners() == 0);
  CHECK(at.writer.pool().ports_of(GUEST.address) == 0);
  SlowPath crowded(NatHook::xdp);
  std::uint16_t remotes = 0;
  while (crowded.offer(to({REMOTE.address, ++remotes})) == OffloadAnswer::taken) {
    REQUIRE(remotes < 1000);
  }
  CHECK(crowded.offload.size() == crowded.sessions());
  const std::size_t sessions = crowded.sessions();
  CHECK(crowded.offer(to(REMOTE, PROTOCOL_UDP, {GUEST.address, 5001})) == OffloadAnswer::exhausted);
  CHECK(crowded.bindings() == 1);
  CHECK(crowded.sessions() == sessions);
}

TEST_CASE(
  "a connection that both sides have ended gives its place back, and is asked about if it goes on")
{
  for (const NatHook hook : BOTH_HOOKS) {
    for (const bool is_reset : {false, true}) {
      CAPTURE(is_reset);
      SlowPath at(hook);
      at.opens(to(REMOTE, PROTOCOL_TCP));
      const Endpoint external = at.nat.external_of(GUEST, PROTOCOL_TCP);
      const auto says = [&](std::uint8_t flags) {
        return without_data(between(GUEST, REMOTE, PROTOCOL_TCP, flags));
      };
      const auto hears = [&](std::uint8_t flags) {
        REQUIRE(
          at.nat.from_world(without_data(between(REMOTE, external, PROTOCOL_TCP, flags))).verdict
          == Verdict::redirect);
      };
      hears(TCP_FLAG_SYN | TCP_FLAG_ACK);
      CHECK_FALSE(at.is_asked_about(says(TCP_FLAG_FIN | TCP_FLAG_ACK)));
      at.expiry.sweep(kernel_time());
      CHECK(at.offload.size() == 1); // half of it goes on
      hears(is_reset ? TCP_FLAG_RST : TCP_FLAG_FIN | TCP_FLAG_ACK);
      at.expiry.sweep(kernel_time());
      CHECK(at.offload.size() == 0);
      CHECK(at.sessions() == 1);
      CHECK(at.bindings() == 1);
      // What ends it passes; what would go on, or begin, is another flow.
      CHECK_FALSE(at.is_asked_about(says(is_reset ? TCP_FLAG_RST : TCP_FLAG_ACK)));
      CHECK(at.is_asked_about(says(is_reset ? TCP_FLAG_ACK : TCP_FLAG_SYN)));
      at.expiry.sweep(kernel_time());
      const Packet next = says(is_reset ? TCP_FLAG_ACK : TCP_FLAG_SYN);
      REQUIRE(at.offer(next) == OffloadAnswer::taken);
      CHECK_FALSE(at.is_asked_about(next));
      at.expiry.sweep(kernel_time());
      CHECK(at.offload.size() == 1);
      CHECK(at.nat.external_of(GUEST, PROTOCOL_TCP) == external);
    }
  }
}

TEST_CASE("a flow's record lives as long as its session, a port as long as its binding")
{
  SlowPath at(NatHook::xdp);
  for (const std::uint8_t protocol : {PROTOCOL_UDP, PROTOCOL_TCP, PROTOCOL_ICMP}) {
    at.opens(to(REMOTE, protocol));
    at.opens(to(OTHER, protocol));
  }
  struct Row
  {
    Duration age;
    std::size_t protocols; // that live still
  };
  // The machine may be slow: some seconds have passed since the flows were opened.
  for (const Row& row : {Row{40s, 3},
                         Row{LAG + 65s, 2},
                         Row{220s, 2},
                         Row{LAG + 245s, 1},
                         Row{290s, 1},
                         Row{LAG + 305s, 0}}) {
    CAPTURE(row.protocols);
    at.expiry.sweep(after(row.age));
    CHECK(at.offload.size() == 2 * row.protocols);
    CHECK(at.writer.bindings() == row.protocols);
    CHECK(at.bindings() == row.protocols);
    CHECK(at.writer.pool().ports_of(GUEST.address) == row.protocols);
  }
}

TEST_CASE("a second flow keeps the binding as long as itself, though its packet was lost")
{
  SlowPath at(NatHook::xdp);
  at.opens(to(REMOTE));
  CHECK(at.offer(to(OTHER), Clock::now() + 200s) == OffloadAnswer::taken);
  at.expiry.sweep(after(LAG + 310s));
  CHECK(at.offload.size() == 1);
  CHECK(at.bindings() == 1);
  at.expiry.sweep(after(LAG + 510s));
  CHECK(at.offload.size() == 0);
  CHECK(at.bindings() == 0);
}

TEST_CASE("an ended flow's port rests, and is had again after that, swept or not")
{
  for (const bool is_swept : {false, true}) {
    CAPTURE(is_swept);
    SlowPath at(NatHook::xdp, {.first_port = 7000, .last_port = 7000});
    at.opens(to(REMOTE));
    const TimePoint end = Clock::now() + LAG + 305s;
    at.expiry.sweep(end.time_since_epoch());
    const Packet next = to(REMOTE, PROTOCOL_UDP, {GUEST.address, 5001});
    CHECK(at.offer(next, end + 119s) == OffloadAnswer::exhausted);
    if (is_swept) {
      at.expiry.sweep((end + 120s).time_since_epoch());
    }
    CHECK(at.offer(next, end + 120s) == OffloadAnswer::taken);
    CHECK(at.nat.external_of(next.source, PROTOCOL_UDP).port == 7000);
  }
}

TEST_CASE("flows that policy no longer allows are ended, and the others never notice")
{
  for (const NatHook hook : BOTH_HOOKS) {
    SlowPath at(hook);
    const Packet kept = to(REMOTE);
    const Packet denied = to(OTHER);
    const Packet lonely = to(OTHER, PROTOCOL_UDP, {GUEST.address, 5001});
    for (const Packet& packet : {kept, denied, lonely}) {
      at.opens(packet);
    }
    const Endpoint external = at.nat.external_of(GUEST, PROTOCOL_UDP);
    CHECK(
      at.offload.end_if(
        [](const FlowRecord& record) { return record.request.destination == OTHER; }, Clock::now())
      == 2);
    CHECK(at.is_asked_about(denied));
    CHECK(at.is_asked_about(lonely));
    CHECK(at.nat.from_guest(kept).frame == frame(TO_WORLD, build(translated(kept, external))));
    CHECK(at.offload.size() == 1);
    CHECK(at.bindings() == 1);
    CHECK(at.writer.pool().ports_of(GUEST.address) == 1);
  }
}

TEST_CASE("bindings that nobody vouches for are void after a change of policy")
{
  for (const NatHook hook : BOTH_HOOKS) {
    SlowPath at(hook);
    at.nat.settings.flags = 0; // each binding lets everything out
    at.nat.apply();
    const Packet strange = to(REMOTE, PROTOCOL_UDP, {GUEST.address, 6000});
    at.nat.bind(strange.source, test::at("203.0.113.1:9000"), PROTOCOL_UDP);
    at.opens(to(REMOTE));
    at.offer(to(OTHER));
    CHECK_FALSE(at.is_asked_about(strange));
    at.offload.end_if([](const FlowRecord& record) { return record.request.destination == OTHER; },
                      Clock::now());
    CHECK(at.is_asked_about(strange));
    CHECK_FALSE(at.is_asked_about(to(REMOTE)));
    // Allowed anew it keeps its external endpoint.
    CHECK(at.offer(strange) == OffloadAnswer::taken);
    CHECK_FALSE(at.is_asked_about(strange));
    CHECK(at.nat.external_of(strange.source, PROTOCOL_UDP) == test::at("203.0.113.1:9000"));
  }
}

TEST_CASE("a guest whose Ethernet address changes is reached at the new one")
{
  SlowPath at(NatHook::xdp);
  const Packet packet = to(REMOTE);
  at.opens(packet);
  const Endpoint external = at.nat.external_of(GUEST, PROTOCOL_UDP);
  nat_owner owner = NatTable<nat_endpoint, nat_owner>(at.nat.object().map("owners"))
                      .find(to_map(external, PROTOCOL_UDP))
                      .value();
  CHECK(std::ranges::equal(owner.guest_mac, GUEST_MAC.bytes));
  CHECK(at.offer(to(OTHER), Clock::now(), OTHER_GUEST_MAC) == OffloadAnswer::taken);
  const auto [outside, inside] = answer(packet, external);
  CHECK(at.nat.from_world(outside).frame == frame(TO_OTHER_GUEST, build(inside)));
}

TEST_CASE("the gateway's end leaves what is carried as it is")
{
  SlowPath at(NatHook::xdp);
  at.opens(to(REMOTE));
  at.offload.drop_records();
  CHECK(at.offload.size() == 0);
  CHECK_FALSE(at.is_asked_about(to(REMOTE)));
  at.expiry.sweep(after(LAG + 305s));
  CHECK(at.bindings() == 0);
  CHECK(at.writer.pool().ports_of(GUEST.address) == 0);
}

TEST_CASE("of several guests none takes more than it leaves the others")
{
  SlowPath at(NatHook::xdp, {}, {.max_flows = 30, .is_shared = true});
  GuestOffload other(at.writer, at.nat.object(), {.ifindex = 2, .zone = 1}, HashSecret{5, 6});
  std::uint16_t remotes = 0;
  const auto fills = [&](GuestOffload& guest) {
    while (at.offer_to(guest, to({REMOTE.address, ++remotes})) == OffloadAnswer::taken) {
      REQUIRE(remotes < 1000);
    }
    return guest.size();
  };
  CHECK(fills(at.offload) == 15);
  CHECK(fills(other) == 8);
  CHECK(fills(at.offload) == 15);
  other.drop_records();
  SlowPath alone(NatHook::xdp, {}, {.max_flows = 30});
  remotes = 0;
  while (alone.offer(to({REMOTE.address, ++remotes})) == OffloadAnswer::taken) {
    REQUIRE(remotes < 1000);
  }
  CHECK(alone.offload.size() == 30);
}

TEST_CASE("what finds no port may have a socket of the same address, but no endpoint has both")
{
  SlowPath at(NatHook::xdp, {.first_port = 7000, .last_port = 7000}, {.max_flows = 2});
  GuestOffload offload(
    at.writer, at.nat.object(), {.ifindex = 1, .has_sockets_beside = true}, HashSecret{5, 6});
  CHECK(at.offer_to(offload, to(REMOTE)) == OffloadAnswer::taken);
  CHECK(at.offer_to(offload, to(REMOTE, PROTOCOL_UDP, {GUEST.address, 5001}))
        == OffloadAnswer::declined);
  CHECK(at.offer_to(offload, to(OTHER)) == OffloadAnswer::taken);
  CHECK(at.offer_to(offload, to({OTHER.address, 99})) == OffloadAnswer::exhausted);
  offload.drop_records();
}
