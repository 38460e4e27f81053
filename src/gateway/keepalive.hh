#pragma once

#include "base/clock.hh"

#include <cstdint>

namespace slirpstack {

/// Finds out whether the far end of a silent TCP connection is still there (RFC 9293 3.8.4): after
/// `idle` it is probed, and when it leaves nine probes without an answer it is dead.
class Keepalive
{
public:
  enum class Verdict : std::uint8_t
  {
    wait,  ///< it was heard from not long ago
    probe, ///< send a probe now
    dead,
  };
  struct Check
  {
    Verdict verdict = Verdict::wait;
    TimePoint next = NEVER; ///< when to check again; NEVER when it is dead
  };

  Keepalive(Duration idle, TimePoint now) : idle_(idle), heard_at_(now) {}

  void on_heard(TimePoint now)
  {
    heard_at_ = now;
    probes_ = 0;
  }
  [[nodiscard]] TimePoint heard_at() const { return heard_at_; }

  /// Call when the time has come; a probe counts as sent.
  [[nodiscard]] Check check(TimePoint now);

private:
  Duration idle_;
  TimePoint heard_at_;
  std::uint8_t probes_ = 0; ///< unanswered
};

} // namespace slirpstack
