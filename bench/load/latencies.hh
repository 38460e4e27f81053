#pragma once

#include "base/clock.hh"

#include <string>
#include <vector>

namespace slirpstack::bench {

/// Round trip times, and what is told about them.
class Latencies
{
public:
  void add(Duration round_trip) { samples_.push_back(round_trip); }

  /// A JSON object: `count`, `p50_us` and `p99_us`; both are 0 when nothing was added.
  [[nodiscard]] std::string to_json();

private:
  [[nodiscard]] double percentile_us(double share);

  std::vector<Duration> samples_;
};

} // namespace slirpstack::bench
