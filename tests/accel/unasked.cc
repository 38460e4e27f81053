// What a guest, or a remote, tries in order to send where policy was not asked or has said no.

#include "slow_path.hh"

#include <doctest/doctest.h>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

const Endpoint GUEST = at("10.0.0.2:5000");
const Endpoint REMOTE = at("198.51.100.9:53");
const Endpoint DENIED = at("192.0.2.7:53");

/// "Port unreachable" to `to`, about a packet that the guest has got from `remote`.
Packet complaint(const Endpoint& remote, const Endpoint& to, std::uint8_t protocol = PROTOCOL_UDP)
{
  Packet quoted = between(remote, GUEST, protocol);
  if (protocol == PROTOCOL_ICMP) {
    quoted.source.port = GUEST.port;
    quoted.icmp_type = 0;
  }
  Packet error = between(GUEST, to, PROTOCOL_ICMP);
  error.icmp_type = 3;
  error.icmp_code = 3;
  error.icmp_quote = build(quoted);
  return error;
}

void set_filters(SlowPath& path, nat_filter filter)
{
  path.nat.settings.filter_tcp = path.nat.settings.filter_udp = path.nat.settings.filter_icmp
    = static_cast<__u16>(filter);
  path.nat.apply();
}

} // namespace

TEST_CASE("an ICMP error goes to whom its guest may send, about what came from there")
{
  for (const NatHook hook : BOTH_HOOKS) {
    SlowPath path(hook);
    for (const std::uint8_t protocol : {PROTOCOL_UDP, PROTOCOL_TCP, PROTOCOL_ICMP}) {
      CAPTURE(protocol);
      const std::uint64_t before = path.nat.counted(NAT_OUT);
      path.opens(between(GUEST, REMOTE, protocol));
      CHECK(path.is_asked_about(complaint(REMOTE, DENIED, protocol)));
      CHECK(path.is_asked_about(complaint(DENIED, DENIED, protocol)));
      CHECK(path.is_asked_about(complaint(DENIED, REMOTE, protocol)));
      CHECK(path.nat.counted(NAT_OUT) == before + 1);
      CHECK_FALSE(path.is_asked_about(complaint(REMOTE, REMOTE, protocol)));
      CHECK(path.nat.counted(NAT_OUT) == before + 2);
    }
    ++path.nat.settings.generation; // nobody vouches for the bindings any more
    path.nat.apply();
    CHECK(path.is_asked_about(complaint(REMOTE, REMOTE)));
  }
}

TEST_CASE("who comes in through a filter is not answered before policy is asked")
{
  for (const NatHook hook : BOTH_HOOKS) {
    SlowPath path(hook);
    set_filters(path, NAT_FILTER_ENDPOINT);
    path.opens(between(GUEST, REMOTE, PROTOCOL_TCP));
    const Endpoint external = path.nat.external_of(GUEST, PROTOCOL_TCP);
    CHECK(path.nat.from_world(between(DENIED, external, PROTOCOL_TCP)).verdict
          == Verdict::redirect);
    const Packet answer = between(GUEST, DENIED, PROTOCOL_TCP, TCP_FLAG_SYN | TCP_FLAG_ACK);
    CHECK(path.is_asked_about(answer));
    CHECK(path.is_asked_about(complaint(DENIED, DENIED, PROTOCOL_TCP)));
    CHECK(path.is_asked_about(between(GUEST, DENIED, PROTOCOL_TCP)));
    // If it says yes, the connection goes on.
    CHECK(path.offload.was_carried(SlowPath::flow_of(answer)));
    REQUIRE(path.offer(answer) == OffloadAnswer::taken);
    CHECK_FALSE(path.is_asked_about(answer));
    CHECK(path.nat.counted(NAT_OUT) == 2);
  }
}

TEST_CASE("port 0 of an address is no word for all of its ports")
{
  for (const NatHook hook : BOTH_HOOKS) {
    SlowPath path(hook);
    set_filters(path, NAT_FILTER_ADDRESS);
    for (const std::uint8_t protocol : {PROTOCOL_UDP, PROTOCOL_TCP}) {
      CAPTURE(protocol);
      path.opens(between(GUEST, REMOTE, protocol));
      CHECK(path.is_asked_about(between(GUEST, {REMOTE.address, 0}, protocol)));
    }
    CHECK(path.nat.counted(NAT_OUT) == 2);
  }
}

TEST_CASE("of a predecessor's remotes each is asked about, not only the first")
{
  constexpr std::uint8_t PROTOCOLS[] = {PROTOCOL_UDP, PROTOCOL_TCP, PROTOCOL_ICMP};
  for (const NatHook hook : BOTH_HOOKS) {
    SlowPath path(hook);
    for (const std::uint8_t protocol : PROTOCOLS) {
      path.opens(between(GUEST, REMOTE, protocol));
      path.opens(between(GUEST, DENIED, protocol));
    }
    path.offload.drop_records();
    ++path.nat.settings.generation;
    path.nat.apply();
    BindingWriter writer(
      path.nat.object(),
      PortPool({path.nat.external_of(GUEST, PROTOCOL_UDP).address}, {}, HashSecret{5, 6}),
      {});
    writer.adopt(Clock::now());
    GuestOffload offload(writer, path.nat.object(), {.ifindex = 1}, HashSecret{7, 8});
    for (const std::uint8_t protocol : PROTOCOLS) {
      CAPTURE(protocol);
      const Packet allowed = between(GUEST, REMOTE, protocol, TCP_FLAG_ACK);
      REQUIRE(path.offer_to(offload, allowed) == OffloadAnswer::taken);
      CHECK_FALSE(path.is_asked_about(allowed));
      CHECK(path.is_asked_about(between(GUEST, DENIED, protocol, TCP_FLAG_ACK)));
    }
    offload.drop_records();
  }
}

TEST_CASE("a guest is nobody outside, not even in a fragment")
{
  for (const NatHook hook : BOTH_HOOKS) {
    SlowPath path(hook);
    path.opens(between(GUEST, REMOTE));
    const Endpoint external = path.nat.external_of(GUEST, PROTOCOL_UDP);
    // The answer to this would be another guest's, or the host's.
    CHECK(path.nat.from_guest(between(external, REMOTE)).verdict == Verdict::drop);
    CHECK(path.nat.from_guest(between({external.address, 22}, GUEST)).verdict == Verdict::drop);
    CHECK(path.nat.from_guest(between(external, at("10.0.0.1:53"))).verdict == Verdict::drop);
    Packet large = between(external, REMOTE);
    large.data.assign(40, 'x');
    const Bytes later = frame(FROM_GUEST, fragment(build(large), 24, 24, false));
    CHECK(path.nat.run("nat_internal", later).verdict == Verdict::drop);
    CHECK(path.nat.counted(NAT_TO_SLIRPSTACK) == 1);
    // Nor does slirpstack's word reach the host.
    const Bytes answer = frame(TO_GUEST, build(between(REMOTE, {external.address, 22})));
    CHECK(path.nat.run("nat_tap", answer).verdict == Verdict::drop);
  }
}

TEST_CASE("a guest of slirpstack's chooses no VLAN outside")
{
  for (const NatHook hook : BOTH_HOOKS) {
    SlowPath path(hook);
    path.opens(between(GUEST, REMOTE));
    Frame with_tag = FROM_GUEST;
    with_tag.vlan = 7;
    const Bytes tagged = frame(with_tag, build(between(GUEST, REMOTE)));
    CHECK(path.nat.run("nat_internal", tagged).verdict == Verdict::drop);
    CHECK(path.nat.counted(NAT_OUT) == 1);
  }
}

TEST_CASE("later fragments come in where the first does")
{
  for (const NatHook hook : BOTH_HOOKS) {
    SlowPath path(hook);
    set_filters(path, NAT_FILTER_PORT);
    path.opens(between(GUEST, REMOTE));
    const Endpoint external = path.nat.external_of(GUEST, PROTOCOL_UDP);
    const auto come_in = [&](const Endpoint& remote) {
      Packet packet = between(remote, external);
      packet.data.assign(40, 'x');
      const Bytes whole = build(packet);
      path.nat.run("nat_external", frame(FROM_WORLD, fragment(whole, 0, 24, true)));
      return path.nat.run("nat_external", frame(FROM_WORLD, fragment(whole, 24, 24, false)))
        .verdict;
    };
    CHECK(come_in(REMOTE) == Verdict::redirect);
    CHECK(come_in(DENIED) == Verdict::drop);
    CHECK(path.nat.counted(NAT_DROP_FILTERED) == 1);
    CHECK(path.nat.counted(NAT_DROP_FRAGMENT) == 1);
  }
}

TEST_CASE("what names its own routers goes to slirpstack, and is not let out when it comes back")
{
  struct Row
  {
    Bytes options;
    bool is_routed;
  };
  const Row rows[] = {
    {{131, 7, 4, 192, 0, 2, 7, 0}, true}, // RFC 791: loose source route
    {{137, 7, 4, 192, 0, 2, 7, 0}, true}, // strict
    {{1, 7, 7, 4, 0, 0, 0, 0, 131, 3, 4, 0}, true},
    {{7, 1, 0, 0}, true}, // unreadable: it might hide one
    {{7, 5, 0, 0}, true},
    {{1, 1, 1, 7}, true},
    {{7, 7, 4, 131, 137, 131, 0, 0}, false}, // within another option
    {{0, 131, 3, 4}, false},                 // behind the end
    {{0x94, 4, 0, 0, 68, 4, 5, 0}, false},   // router alert, timestamp
    {Bytes(40, 1), false},
  };
  for (const NatHook hook : BOTH_HOOKS) {
    SlowPath path(hook);
    path.opens(between(GUEST, REMOTE));
    const Endpoint external = path.nat.external_of(GUEST, PROTOCOL_UDP);
    std::uint64_t dropped = 0;
    for (const Row& row : rows) {
      CAPTURE(row.options.size());
      Packet out = between(GUEST, REMOTE);
      Packet in = between(REMOTE, external);
      out.options = in.options = row.options;
      CHECK(path.is_asked_about(out) == row.is_routed);
      const Verdict verdict = row.is_routed ? Verdict::drop : Verdict::redirect;
      CHECK(path.nat.run("nat_tap", frame(FROM_GUEST, build(out))).verdict == verdict);
      CHECK(path.nat.from_world(in).verdict == verdict);
      dropped += row.is_routed ? 2 : 0;
      CHECK(path.nat.counted(NAT_DROP_SOURCE_ROUTE) == dropped);
    }
  }
}

TEST_CASE("a flood of connections from outside leaves the guests room for theirs")
{
  for (const NatHook hook : BOTH_HOOKS) {
    SlowPath path(hook);
    path.nat.settings.max_visitors = 128; // of 256
    path.nat.apply();
    path.opens(between(GUEST, REMOTE, PROTOCOL_TCP));
    const Endpoint external = path.nat.external_of(GUEST, PROTOCOL_TCP);
    for (std::uint16_t port = 1000; port < 1300; ++port) {
      path.nat.from_world(between({DENIED.address, port}, external, PROTOCOL_TCP));
    }
    CHECK(path.sessions() == 1 + 128);
    CHECK(path.nat.counted(NAT_DROP_VISITORS) == 300 - 128);
    for (std::uint16_t port = 5001; port < 5100; ++port) {
      REQUIRE(path.offer(between({GUEST.address, port}, REMOTE, PROTOCOL_TCP))
              == OffloadAnswer::taken);
    }
    path.expiry.sweep(kernel_time()); // nobody has gone
    const Packet late = between({DENIED.address, 2000}, external, PROTOCOL_TCP);
    CHECK(path.nat.from_world(late).verdict == Verdict::drop);
    path.expiry.sweep(kernel_time() + LAG + std::chrono::seconds(245)); // the half-open are over
    CHECK(path.sessions() == 0);
    path.opens(between(GUEST, REMOTE, PROTOCOL_TCP));
    const Packet visit
      = between({DENIED.address, 2000}, path.nat.external_of(GUEST, PROTOCOL_TCP), PROTOCOL_TCP);
    CHECK(path.nat.from_world(visit).verdict == Verdict::redirect);
  }
}
