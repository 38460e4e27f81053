#include "nat_bed.hh"
#include "pieces.hh"

#include <doctest/doctest.h>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

const Endpoint GUEST = at("10.0.0.2:5000");
const Endpoint EXTERNAL = at("203.0.113.1:40000");
const Endpoint REMOTE = at("198.51.100.9:53");

void expect(const Outcome& outcome, const Frame& around, const Bytes& packet)
{
  CHECK(outcome.verdict == Verdict::redirect);
  CHECK(outcome.frame == frame(around, packet));
}

} // namespace

TEST_CASE("later fragments follow the first, both ways")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP);
    const Bytes sent = datagram(GUEST, REMOTE);
    const Bytes seen = datagram(EXTERNAL, REMOTE, 63);
    expect(nat.run("nat_internal", frame(FROM_GUEST, first(sent))), TO_WORLD, first(seen));
    expect(nat.run("nat_internal", frame(FROM_GUEST, later(sent))), TO_WORLD, later(seen));
    const Bytes answer = datagram(REMOTE, EXTERNAL);
    const Bytes answered = datagram(REMOTE, GUEST, 63);
    expect(nat.run("nat_external", frame(FROM_WORLD, first(answer))), TO_GUEST, first(answered));
    expect(nat.run("nat_external", frame(FROM_WORLD, later(answer))), TO_GUEST, later(answered));
  }
}

TEST_CASE("a fragment before the first that nobody holds is dropped and counted")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP);
    const Bytes out = frame(FROM_GUEST, later(datagram(GUEST, REMOTE)));
    const Bytes in = frame(FROM_WORLD, later(datagram(REMOTE, EXTERNAL)));
    CHECK(nat.run("nat_internal", out).verdict == Verdict::drop);
    CHECK(nat.run("nat_external", in).verdict == Verdict::drop);
    CHECK(nat.counted(NAT_DROP_FRAGMENT) == 2);
    CHECK(nat.counted(NAT_HELD) == 0);
  }
}

TEST_CASE("fragments of two datagrams are told apart by their identification")
{
  FOR_BOTH_HOOKS(nat)
  {
    nat.bind(GUEST, EXTERNAL, PROTOCOL_UDP);
    nat.run("nat_internal", frame(FROM_GUEST, first(datagram(GUEST, REMOTE))));
    Packet other;
    other.source = GUEST;
    other.destination = REMOTE;
    other.identification = 8;
    other.data.assign(40, 'y');
    CHECK(nat.run("nat_internal", frame(FROM_GUEST, later(build(other)))).verdict == Verdict::drop);
  }
}
