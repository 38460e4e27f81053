#pragma once

#include "base/bytes.hh"
#include "base/clock.hh"
#include "slirpstack/nat_map.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <utility>
#include <vector>

namespace slirpstack {

/// IPv4 fragments, as frames, that wait for the first one of their datagram (RFC 4787 REQ-14). A
/// flood of them takes no more than its own share (REQ-14a): there, and in all, the oldest makes
/// room.
class HeldFragments
{
public:
  struct Limit
  {
    std::size_t frames;
    std::size_t bytes;
  };
  struct Limits
  {
    Limit all{1024, std::size_t{2} << 20U};
    Limit share{128, std::size_t{256} << 10U}; ///< two datagrams of the largest size
  };
  struct Fragment
  {
    nat_fragment_key key;
    std::uint32_t share; ///< whose it is: 0 to NAT_SHARES - 1
    TimePoint until;     ///< not before that of what was held earlier
    std::vector<std::uint8_t> frame;
  };
  /// What is done with a frame that is held no longer, for whatever reason.
  using Release = std::function<void(ByteView frame)>;

  /// One byte more than a limit allows is never held.
  HeldFragments(const Limits& limits, Release release)
    : limits_(limits), release_(std::move(release)), shares_(NAT_SHARES)
  {}

  /// Holds a fragment, and releases what has to make room for it; itself, if it is larger than its
  /// share.
  void hold(Fragment fragment);
  /// The first fragment is there: those that waited for it are released, in the order they came.
  void release(const nat_fragment_key& key);
  /// Releases those whose time is over.
  void expire(TimePoint now);

  /// When to call expire(); NEVER while nothing is held.
  [[nodiscard]] TimePoint deadline() const { return held_.empty() ? NEVER : held_.front().until; }
  [[nodiscard]] std::size_t frames() const { return held_.size(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

private:
  struct Use
  {
    std::size_t frames = 0;
    std::size_t bytes = 0;
  };
  using Place = std::list<Fragment>::iterator;

  [[nodiscard]] static bool is_over(const Use& use, const Limit& limit)
  {
    return use.frames > limit.frames || use.bytes > limit.bytes;
  }
  [[nodiscard]] Place oldest_of(std::uint32_t share);
  /// Returns the next place.
  Place let_go(Place place);

  Limits limits_;
  Release release_;
  std::list<Fragment> held_; ///< the oldest first
  std::size_t bytes_ = 0;
  std::vector<Use> shares_;
};

} // namespace slirpstack
