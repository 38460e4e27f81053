#pragma once

#include "base/clock.hh"

#include <cstdint>

namespace slirpstack::bench {

/// Says how many datagrams of one size are due at a time, so that a rate is kept on average. Time
/// lost to a slow receiver is not caught up beyond one burst: what comes out is the pace asked for
/// or less, never a flood.
class Pacer
{
public:
  /// `rate_bps` counts the bits of `datagram_bytes` each, without headers.
  Pacer(std::uint64_t rate_bps, std::size_t datagram_bytes, TimePoint start);

  /// How many may leave now, at most `burst`; they count as sent.
  std::size_t take(TimePoint now, std::size_t burst);
  /// When the next one is due.
  [[nodiscard]] TimePoint next() const { return next_; }

private:
  std::chrono::nanoseconds spacing_;
  TimePoint next_;
};

} // namespace slirpstack::bench
