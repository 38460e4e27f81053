#include "load/pacer.hh"

#include <algorithm>

namespace slirpstack::bench {

Pacer::Pacer(std::uint64_t rate_bps, std::size_t datagram_bytes, TimePoint start)
  : spacing_(std::max<std::uint64_t>(1, datagram_bytes * 8 * 1000000000ULL / rate_bps))
  , next_(start)
{}

std::size_t Pacer::take(TimePoint now, std::size_t burst)
{
  if (now < next_) {
    return 0;
  }
  const auto due = static_cast<std::size_t>((now - next_) / spacing_) + 1;
  if (due > burst) {
    next_ = now + spacing_;
    return burst;
  }
  next_ += spacing_ * due;
  return due;
}

} // namespace slirpstack::bench
