#include "accel/held_fragments.hh"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

namespace slirpstack {

namespace {

/// The kernel compares keys byte by byte too: they have no padding.
bool is_same(const nat_fragment_key& one, const nat_fragment_key& other)
{
  return std::memcmp(&one, &other, sizeof one)
         == 0; // NOLINT(bugprone-suspicious-memory-comparison)
}

} // namespace

void HeldFragments::hold(Fragment fragment)
{
  const std::uint32_t share = fragment.share;
  Use& use = shares_.at(share);
  ++use.frames;
  use.bytes += fragment.frame.size();
  bytes_ += fragment.frame.size();
  held_.push_back(std::move(fragment));
  while (is_over(use, limits_.share)) {
    let_go(oldest_of(share));
  }
  while (is_over({held_.size(), bytes_}, limits_.all)) {
    let_go(held_.begin());
  }
}

HeldFragments::Place HeldFragments::oldest_of(std::uint32_t share)
{
  return std::ranges::find(held_, share, &Fragment::share);
}

void HeldFragments::release(const nat_fragment_key& key)
{
  for (Place place = held_.begin(); place != held_.end();) {
    place = is_same(place->key, key) ? let_go(place) : std::next(place);
  }
}

void HeldFragments::expire(TimePoint now)
{
  while (!held_.empty() && held_.front().until <= now) {
    let_go(held_.begin());
  }
}

HeldFragments::Place HeldFragments::let_go(Place place)
{
  release_(place->frame);
  bytes_ -= place->frame.size();
  Use& use = shares_.at(place->share);
  --use.frames;
  use.bytes -= place->frame.size();
  return held_.erase(place);
}

} // namespace slirpstack
