#include "gateway/keepalive.hh"

#include <doctest/doctest.h>

namespace slirpstack {

using namespace std::chrono_literals;
using Verdict = Keepalive::Verdict;

namespace {

constexpr TimePoint START{std::chrono::hours(1)};

} // namespace

TEST_CASE("who was heard from within the idle time is not probed")
{
  Keepalive keepalive(100s, START);
  keepalive.on_heard(START + 60s);
  const Keepalive::Check check = keepalive.check(START + 100s);
  CHECK(check.verdict == Verdict::wait);
  CHECK(check.next == START + 160s);
}

TEST_CASE("the silent are probed nine times, 75 seconds apart, and then given up")
{
  Keepalive keepalive(100s, START);
  TimePoint now = START + 100s;
  for (int probe = 0; probe < 9; ++probe) {
    CAPTURE(probe);
    const Keepalive::Check check = keepalive.check(now);
    CHECK(check.verdict == Verdict::probe);
    CHECK(check.next == now + 75s);
    now = check.next;
  }
  const Keepalive::Check last = keepalive.check(now);
  CHECK(last.verdict == Verdict::dead);
  CHECK(last.next == NEVER);
}

TEST_CASE("an answer to a probe starts all over")
{
  Keepalive keepalive(100s, START);
  TimePoint now = START + 100s;
  for (int probe = 0; probe < 9; ++probe) {
    now = keepalive.check(now).next;
  }
  keepalive.on_heard(now);
  CHECK(keepalive.check(now).verdict == Verdict::wait);
  CHECK(keepalive.check(now + 100s).verdict == Verdict::probe);
}

} // namespace slirpstack
