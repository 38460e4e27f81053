#include "nat_bed.hh"

#include <doctest/doctest.h>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

struct Row
{
  const char* what;
  const char* internal_prefix;
  const char* external_prefix;
  bool is_neutral;
  const char* internal;
  const char* external;
};

constexpr Row ROWS[] = {
  // RFC 6296 section 3.6.
  {"RFC 6296",
   "fd01:203:405::/48",
   "2001:db8:1::/48",
   true,
   "[fd01:203:405:1::1234]:5000",
   "[2001:db8:1:d550::1234]:5000"},
  {"/64, identifier",
   "fd00:0:0:1::/64",
   "2001:db8:0:2::/64",
   true,
   "[fd00:0:0:1::7]:5000",
   "[2001:db8:0:2:cf46::7]:5000"},
  {"plain /64",
   "2001:db8:1::/64",
   "2001:db8:2::/64",
   false,
   "[2001:db8:1::abcd]:5000",
   "[2001:db8:2::abcd]:5000"},
  {"plain /61",
   "2001:db8:1:8::/61",
   "2001:db8:2:10::/61",
   false,
   "[2001:db8:1:f::1]:5000",
   "[2001:db8:2:17::1]:5000"},
  {"plain /128",
   "2001:db8:1::1/128",
   "2001:db8:2::9/128",
   false,
   "[2001:db8:1::1]:5000",
   "[2001:db8:2::9]:5000"},
};

const Endpoint REMOTE = at("[2001:db8:99::53]:53");

void set_up(NatBed& nat, const Row& row)
{
  nat.map_prefix(Prefix::parse(row.internal_prefix).value(),
                 Prefix::parse(row.external_prefix).value(),
                 row.is_neutral);
}

void expect(const Outcome& outcome, const Frame& around, const Bytes& packet)
{
  CHECK(outcome.verdict == Verdict::redirect);
  CHECK(outcome.frame == frame(around, packet));
}

} // namespace

TEST_CASE("an internal address and its external one stand for each other")
{
  const Bytes data = {'s', 'l', 'i', 'r', 'p'};
  for (const Row& row : ROWS) {
    FOR_BOTH_HOOKS(nat)
    {
      CAPTURE(row.what);
      set_up(nat, row);
      const Endpoint internal = at(row.internal);
      const Endpoint external = at(row.external);
      expect(nat.run("nat_internal", frame(FROM_GUEST, build_v6(internal, REMOTE, {}, data))),
             TO_WORLD,
             build_v6(external, REMOTE, {}, data, 63));
      expect(nat.run("nat_external", frame(FROM_WORLD, build_v6(REMOTE, external, {}, data))),
             TO_GUEST,
             build_v6(REMOTE, internal, {}, data, 63));
    }
  }
}

TEST_CASE("the packet that an ICMPv6 error quotes is mapped too")
{
  for (const Row& row : ROWS) {
    FOR_BOTH_HOOKS(nat)
    {
      CAPTURE(row.what);
      set_up(nat, row);
      const Endpoint internal = at(row.internal);
      const Endpoint external = at(row.external);
      // The quoted transport checksum is not mapped, so it is cut off.
      const auto quote = [](Bytes packet) {
        packet.resize(40 + 6);
        return packet;
      };
      const Bytes outside = quote(build_v6(external, REMOTE, {}, {1, 2}));
      const Bytes inside = quote(build_v6(internal, REMOTE, {}, {1, 2}));
      expect(nat.run("nat_external", frame(FROM_WORLD, build_v6(REMOTE, external, 1, outside))),
             TO_GUEST,
             build_v6(REMOTE, internal, 1, inside, 63));
    }
  }
}

TEST_CASE("guests of two prefixes reach each other by external addresses")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.map_prefix(
      Prefix::parse("fd00:1::/32").value(), Prefix::parse("2001:db8::/32").value(), false);
    expect(
      nat.run("nat_internal",
              frame(FROM_GUEST, build_v6(at("[fd00:1::1]:1"), at("[2001:db8::2]:2"), {}, {1}))),
      TO_GUEST,
      build_v6(at("[2001:db8::1]:1"), at("[fd00:1::2]:2"), {}, {1}, 63));
  }
}

TEST_CASE("neighbour discovery, multicast and internal destinations are never mapped")
{
  for (const char* destination : {"[ff02::1]:1", "[fe80::1]:1", "[fd00:1::9]:1"}) {
    FOR_BOTH_HOOKS(nat)
    {
      CAPTURE(destination);
      nat.map_prefix(
        Prefix::parse("fd00:1::/32").value(), Prefix::parse("2001:db8::/32").value(), true);
      const Bytes sent = frame(FROM_GUEST, build_v6(at("[fd00:1::1]:1"), at(destination), {}, {1}));
      const Outcome outcome = nat.run("nat_internal", sent);
      CHECK(outcome.verdict == Verdict::host);
      CHECK(outcome.frame == sent);
    }
  }
}

TEST_CASE("RFC 6296: what cannot be mapped does not leave; slirpstack says so, if it is there")
{
  // A subnet of ffff behind a /48; behind a longer prefix an identifier of zeros, or of ones.
  for (const char* source :
       {"[fd01:203:405:ffff::1]:1", "[fd02::]:1", "[fd02::ffff:ffff:ffff:ffff]:1"}) {
    FOR_BOTH_HOOKS(nat)
    {
      CAPTURE(source);
      nat.map_prefix(
        Prefix::parse("fd01:203:405::/48").value(), Prefix::parse("2001:db8:1::/48").value(), true);
      nat.map_prefix(
        Prefix::parse("fd02::/64").value(), Prefix::parse("2001:db8:2::/64").value(), true);
      const Bytes sent = frame(FROM_GUEST, build_v6(at(source), REMOTE, {}, {1}));
      CHECK(nat.run("nat_internal", sent).verdict == Verdict::drop);
      CHECK(nat.counted(NAT_DROP_PREFIX) == 1);
      nat.set_tap();
      CHECK(nat.run("nat_internal", sent).frame == sent);
      CHECK(nat.counted(NAT_TO_SLIRPSTACK) == 1);
    }
  }
}

TEST_CASE("RFC 6296 section 3.2: from outside, what has no internal counterpart is unreachable")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.map_prefix(
      Prefix::parse("fd01:203:405::/48").value(), Prefix::parse("2001:db8:1::/48").value(), true);
    const Endpoint nobody = at("[2001:db8:1:ffff::1]:1");
    Bytes sent = build_v6(REMOTE, nobody, {}, {1});
    const Outcome outcome = nat.run("nat_external", frame(FROM_WORLD, sent));
    sent.resize(48); // what is quoted
    expect(outcome, TO_WORLD, build_v6(nobody, REMOTE, 1, sent));
    CHECK(nat.counted(NAT_DROP_PREFIX) == 1);
  }
}
