#pragma once

#include <chrono>

namespace slirpstack {

/// Monotonic time. Pure code takes `TimePoint now` as an argument and never reads a clock, so
/// tests move time by hand.
using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = Clock::duration;

/// "No deadline."
inline constexpr TimePoint NEVER = TimePoint::max();

} // namespace slirpstack
