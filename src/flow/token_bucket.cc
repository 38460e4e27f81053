#include "flow/token_bucket.hh"

#include <algorithm>
#include <cassert>
#include <type_traits>

namespace slirpstack {

namespace {

/// Holds the longest time times the greatest rate.
__extension__ using Product = unsigned __int128;

constexpr std::uint64_t SECOND = 1'000'000'000;

/// Of the later moment behind the earlier one; 2^64 hold what signed nanoseconds cannot.
std::uint64_t nanoseconds_between(TimePoint earlier, TimePoint later)
{
  static_assert(std::is_same_v<Duration::period, std::nano>);
  const auto since_epoch
    = [](TimePoint time) { return static_cast<std::uint64_t>(time.time_since_epoch().count()); };
  return since_epoch(later) - since_epoch(earlier);
}

} // namespace

TokenBucket::TokenBucket(std::uint64_t rate, std::uint64_t burst, TimePoint now)
  : rate_(rate), burst_(burst), tokens_(burst), refilled_(now)
{
  assert(rate > 0 && burst > 0);
}

void TokenBucket::refill(TimePoint now)
{
  if (now <= refilled_) {
    return;
  }
  const Product parts = Product{nanoseconds_between(refilled_, now)} * rate_ + parts_;
  refilled_ = now;
  const Product whole = parts / SECOND;
  if (whole >= burst_ - tokens_) {
    fill();
    return;
  }
  tokens_ += static_cast<std::uint64_t>(whole);
  parts_ = static_cast<std::uint64_t>(parts % SECOND);
}

void TokenBucket::fill()
{
  tokens_ = burst_;
  parts_ = 0;
}

bool TokenBucket::take(std::uint64_t count, TimePoint now)
{
  refill(now);
  if (count > tokens_) {
    return false;
  }
  tokens_ -= count;
  return true;
}

std::uint64_t TokenBucket::take_up_to(std::uint64_t count, TimePoint now)
{
  refill(now);
  const std::uint64_t taken = std::min(count, tokens_);
  tokens_ -= taken;
  return taken;
}

void TokenBucket::give_back(std::uint64_t count)
{
  if (count >= burst_ - tokens_) {
    fill();
  } else {
    tokens_ += count;
  }
}

TimePoint TokenBucket::available_at(std::uint64_t count, TimePoint now) const
{
  TokenBucket bucket = *this;
  bucket.refill(now);
  if (count <= bucket.tokens_) {
    return now;
  }
  const Product missing = Product{count - bucket.tokens_} * SECOND - bucket.parts_;
  const Product wait = (missing + rate_ - 1) / rate_;
  const auto longest = static_cast<std::uint64_t>(Duration::max().count());
  if (count > burst_ || wait > std::min(longest, nanoseconds_between(bucket.refilled_, NEVER))) {
    return NEVER;
  }
  return bucket.refilled_ + Duration(static_cast<Duration::rep>(wait));
}

} // namespace slirpstack
