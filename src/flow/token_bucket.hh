#pragma once

#include "base/clock.hh"

#include <cstdint>

namespace slirpstack {

/// A rate limit: tokens come in steadily, up to a store of them, and whatever is limited takes
/// some. Exact over any length of time: what a step of time brings is never rounded away.
class TokenBucket
{
public:
  /// `rate` tokens a second, above 0; `burst` is the store, at least 1. It begins full.
  TokenBucket(std::uint64_t rate, std::uint64_t burst, TimePoint now);

  /// Takes `count` tokens if they are there.
  [[nodiscard]] bool take(std::uint64_t count, TimePoint now);
  /// Takes as many as are there, at most `count`; returns how many.
  [[nodiscard]] std::uint64_t take_up_to(std::uint64_t count, TimePoint now);
  /// Gives back what was taken and not used.
  void give_back(std::uint64_t count);
  /// When `count` tokens will be there, if nobody takes any; `now` if they are; NEVER for more than
  /// the burst.
  [[nodiscard]] TimePoint available_at(std::uint64_t count, TimePoint now) const;

  [[nodiscard]] std::uint64_t rate() const { return rate_; }
  [[nodiscard]] std::uint64_t burst() const { return burst_; }

private:
  void refill(TimePoint now);
  void fill();

  std::uint64_t rate_;
  std::uint64_t burst_;
  std::uint64_t tokens_;
  std::uint64_t parts_ = 0; ///< of the token that is coming in, in 10^9ths
  TimePoint refilled_;      ///< when it had just that
};

} // namespace slirpstack
