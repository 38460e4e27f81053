#include "load/latencies.hh"

#include <algorithm>
#include <fmt/format.h>

namespace slirpstack::bench {

std::string Latencies::to_json()
{
  return fmt::format(R"({{"count": {}, "p50_us": {:.2f}, "p99_us": {:.2f}}})",
                     samples_.size(),
                     percentile_us(0.50),
                     percentile_us(0.99));
}

double Latencies::percentile_us(double share)
{
  if (samples_.empty()) {
    return 0;
  }
  const auto last = static_cast<double>(samples_.size() - 1);
  const auto at = samples_.begin() + static_cast<std::ptrdiff_t>(last * share);
  std::nth_element(samples_.begin(), at, samples_.end());
  return std::chrono::duration<double, std::micro>(*at).count();
}

} // namespace slirpstack::bench
