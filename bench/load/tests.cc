#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "load/latencies.hh"
#include "load/pacer.hh"

#include <doctest/doctest.h>

using namespace slirpstack;
using namespace slirpstack::bench;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint START{};
// 1000 bytes each at 8 Mbit/s: one per millisecond.
constexpr std::uint64_t RATE_BPS = 8000000;
constexpr std::size_t BYTES = 1000;

} // namespace

TEST_CASE("a pacer gives one datagram at the start and one per spacing")
{
  Pacer pacer(RATE_BPS, BYTES, START);
  CHECK(pacer.take(START, 64) == 1);
  CHECK(pacer.take(START + 999us, 64) == 0);
  CHECK(pacer.next() == START + 1ms);
  CHECK(pacer.take(START + 1ms, 64) == 1);
}

TEST_CASE("a pacer makes up for a late call, so that the average is kept")
{
  Pacer pacer(RATE_BPS, BYTES, START);
  CHECK(pacer.take(START + 10500us, 64) == 11);
  CHECK(pacer.next() == START + 11ms);
}

TEST_CASE("a pacer forgets what a long stall left over a burst")
{
  Pacer pacer(RATE_BPS, BYTES, START);
  CHECK(pacer.take(START + 1s, 64) == 64);
  CHECK(pacer.take(START + 1s, 64) == 0);
  CHECK(pacer.next() == START + 1001ms);
}

TEST_CASE("latencies tell the median and the 99th percentile, whatever their order")
{
  Latencies latencies;
  for (int i = 100; i >= 0; --i) {
    latencies.add(std::chrono::microseconds(i));
  }
  CHECK(latencies.to_json() == R"({"count": 101, "p50_us": 50.00, "p99_us": 99.00})");
}

TEST_CASE("latencies of nothing are zero")
{
  CHECK(Latencies().to_json() == R"({"count": 0, "p50_us": 0.00, "p99_us": 0.00})");
}
