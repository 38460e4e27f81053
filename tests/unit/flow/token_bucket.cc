#include "flow/token_bucket.hh"

#include <algorithm>
#include <doctest/doctest.h>
#include <limits>
#include <random>

using namespace slirpstack;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint START = TimePoint(1000h);
constexpr std::uint64_t EVERYTHING = std::numeric_limits<std::uint64_t>::max();

__extension__ using Wide = unsigned __int128;

/// The same by the definition: parts of a token, 10^9 each, as long as they fit.
class Reference
{
public:
  Reference(std::uint64_t rate, std::uint64_t burst)
    : rate_(rate), full_(Wide{burst} * 1'000'000'000), parts_(full_)
  {}

  void passes(std::uint64_t nanoseconds)
  {
    parts_ = std::min(full_, parts_ + Wide{nanoseconds} * rate_);
  }
  void loses(std::uint64_t tokens) { parts_ -= Wide{tokens} * 1'000'000'000; }
  [[nodiscard]] std::uint64_t tokens() const
  {
    return static_cast<std::uint64_t>(parts_ / 1'000'000'000);
  }

private:
  std::uint64_t rate_;
  Wide full_;
  Wide parts_;
};

} // namespace

TEST_CASE("a bucket begins full and gives no more than it has")
{
  TokenBucket bucket(10, 5, START);
  CHECK_FALSE(bucket.take(6, START));
  CHECK(bucket.take(3, START));
  CHECK_FALSE(bucket.take(3, START));
  CHECK(bucket.take_up_to(10, START) == 2);
  CHECK(bucket.take_up_to(10, START) == 0);
  CHECK(bucket.take(0, START));
}

TEST_CASE("tokens come in at the rate, up to the burst")
{
  TokenBucket bucket(10, 5, START);
  CHECK(bucket.take(5, START));
  CHECK_FALSE(bucket.take(1, START + 99ms));
  CHECK(bucket.take(1, START + 100ms));
  CHECK(bucket.take_up_to(EVERYTHING, START + 350ms) == 2);
  CHECK(bucket.take(1, START + 400ms)); // the half of before counts
  CHECK(bucket.take_up_to(EVERYTHING, START + 1h) == 5);
}

TEST_CASE("many small steps of time bring what one large step does")
{
  TokenBucket bucket(3, 1000, START);
  CHECK(bucket.take(1000, START));
  std::uint64_t taken = 0;
  for (int step = 1; step <= 1'000'000; ++step) {
    taken += bucket.take_up_to(EVERYTHING, START + std::chrono::microseconds(step));
  }
  CHECK(taken == 3);
}

TEST_CASE("a rate that is no whole number of nanoseconds does not drift")
{
  TokenBucket bucket(7, 100, START);
  CHECK(bucket.take(100, START));
  std::uint64_t taken = 0;
  TimePoint now = START;
  for (int step = 0; step < 10'000; ++step) {
    now = bucket.available_at(1, now);
    CHECK_FALSE(bucket.take(1, now - 1ns));
    taken += bucket.take_up_to(EVERYTHING, now);
  }
  CHECK(taken == 10'000);
  // 10,000 sevenths of a second, each rounded up to the next nanosecond.
  CHECK(now - START == 1428571428572ns);
}

TEST_CASE("the greatest rates and gaps of years do not overflow")
{
  constexpr std::uint64_t RATE = std::uint64_t{1} << 63U;
  TokenBucket bucket(RATE, EVERYTHING, START);
  CHECK(bucket.take(EVERYTHING, START));
  CHECK(bucket.take_up_to(EVERYTHING, START + 1ns) == 9'223'372'036);
  CHECK(bucket.take_up_to(EVERYTHING, START + 2ns) == 9'223'372'037); // .85 and .85
  CHECK(bucket.take_up_to(EVERYTHING, START + 24h * 365 * 100) == EVERYTHING);
  CHECK(bucket.available_at(EVERYTHING, START + 24h * 365 * 100) == START + 24h * 365 * 100 + 2s);

  TokenBucket slow(1, EVERYTHING, TimePoint::min());
  CHECK(slow.take(EVERYTHING, TimePoint::min()));
  CHECK(slow.available_at(EVERYTHING, TimePoint::min()) == NEVER);
  CHECK(slow.take_up_to(EVERYTHING, TimePoint::max()) == 18'446'744'073);
}

TEST_CASE("what is given back can be taken again, but not hoarded")
{
  TokenBucket bucket(1, 10, START);
  CHECK(bucket.take(10, START));
  bucket.give_back(4);
  CHECK(bucket.take_up_to(EVERYTHING, START) == 4);
  bucket.give_back(EVERYTHING);
  CHECK(bucket.take_up_to(EVERYTHING, START) == 10);
}

TEST_CASE("time that goes backwards brings nothing and takes nothing")
{
  TokenBucket bucket(1, 10, START);
  CHECK(bucket.take(10, START));
  CHECK(bucket.take_up_to(EVERYTHING, START - 1h) == 0);
  CHECK(bucket.take_up_to(EVERYTHING, START + 1s) == 1);
}

TEST_CASE("when tokens will be there is told to the nanosecond")
{
  TokenBucket bucket(3, 10, START);
  CHECK(bucket.available_at(10, START) == START);
  CHECK(bucket.take(10, START));
  CHECK(bucket.available_at(0, START) == START);
  CHECK(bucket.available_at(1, START) == START + 333'333'334ns);
  CHECK(bucket.available_at(3, START) == START + 1s);
  CHECK(bucket.available_at(3, START + 400ms) == START + 1s);
  CHECK(bucket.available_at(3, START + 2s) == START + 2s);
  CHECK(bucket.available_at(11, START) == NEVER);
  CHECK_FALSE(bucket.take(1, START + 333'333'333ns));
  CHECK(bucket.take(1, START + 333'333'334ns));
}

TEST_CASE("random steps agree with the definition")
{
  std::mt19937_64 random(20240229);
  for (int round = 0; round < 200; ++round) {
    const std::uint64_t rate = 1 + (random() >> (random() % 64));
    const std::uint64_t burst = 1 + (random() >> (1 + random() % 63));
    CAPTURE(rate);
    CAPTURE(burst);
    TokenBucket bucket(rate, burst, START);
    Reference reference(rate, burst);
    TimePoint now = START;
    for (int step = 0; step < 200; ++step) {
      const std::uint64_t nanoseconds = random() >> (11 + random() % 53);
      if (now - START > 24h * 365 * 50) {
        break;
      }
      now += std::chrono::nanoseconds(nanoseconds);
      reference.passes(nanoseconds);
      const std::uint64_t wanted = random() >> (random() % 64);
      const TimePoint ready = bucket.available_at(std::min(wanted, burst), now);
      CHECK((ready == now) == (std::min(wanted, burst) <= reference.tokens()));
      const std::uint64_t taken = bucket.take_up_to(wanted, now);
      CHECK(taken == std::min(wanted, reference.tokens()));
      reference.loses(taken);
    }
  }
}
