#pragma once

#include "base/clock.hh"
#include "host/uv_unique.hh"

#include <chrono>
#include <functional>
#include <vector>

struct uv_loop_s;

namespace slirpstack {

class LoopTurns;

/// The event loop of the process. It must outlive every Watch, Timer, Signal, LoopTurns and
/// SocketSet made on it. One thread; nothing wakes it up but descriptors, signals and armed timers.
class Loop
{
public:
  /// Throws std::system_error.
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  Loop(Loop&&) = delete;
  Loop& operator=(Loop&&) = delete;

  /// Runs until `stop()`.
  void run();
  /// Runs until `done` is true, which is asked before each turn. Throws Interrupted if `stop()`
  /// comes first.
  void run_until(const std::function<bool()>& done);
  /// For callbacks: ends `run()` or `run_until()` once the callbacks of this turn are done. Where
  /// `run_until()` has ended by itself in that turn, it ends the next of them as it begins.
  void stop();

  /// Work is left over: the next poll does not block, and the turn's ends are told after it
  /// even if it brings nothing. Holds for one turn; ask again if there is still more.
  void keep_going();
  /// After each activity, poll without blocking for `duration`, trading processor time for latency.
  /// Zero, the default, blocks at once.
  void spin_after_activity(std::chrono::microseconds duration);
  /// For those who deliver events: something happened in this turn.
  void note_activity();

  [[nodiscard]] static TimePoint now() { return Clock::now(); }
  /// For the host layer.
  [[nodiscard]] uv_loop_s* raw() { return loop_.get(); }

private:
  friend class LoopTurns;
  struct LoopClose
  {
    void operator()(uv_loop_s* loop) const noexcept;
  };
  struct Prepare;
  struct Idle;

  void before_poll();
  [[nodiscard]] bool spinning();

  std::unique_ptr<uv_loop_s, LoopClose> loop_;
  uv_unique<Prepare> prepare_;
  uv_unique<Idle> idle_;
  std::vector<const LoopTurns*> turns_; ///< in the order made
  std::chrono::microseconds spin_{0};
  TimePoint last_activity_{};
  bool active_ = false;
  bool keep_going_ = false;
  bool stopped_ = false;
};

/// Calls back around the events, timers and signals of each turn, for as long as it lives.
class LoopTurns
{
public:
  /// `before` runs before the first of them is delivered: the place to read the clock for all.
  /// `after` runs before the loop blocks, once for all delivered since it last ran, and not at all
  /// when there were none: the place to send what they batched. Either may be empty. It must not be
  /// destroyed from inside one of them.
  LoopTurns(Loop& loop, std::function<void()> before, std::function<void()> after);
  ~LoopTurns();
  LoopTurns(const LoopTurns&) = delete;
  LoopTurns& operator=(const LoopTurns&) = delete;
  LoopTurns(LoopTurns&&) = delete;
  LoopTurns& operator=(LoopTurns&&) = delete;

private:
  friend class Loop;

  Loop& loop_;
  std::function<void()> before_;
  std::function<void()> after_;
};

/// Calls back while a descriptor is readable (level-triggered).
class Watch
{
public:
  /// `descriptor` stays the caller's and must stay open as long as the watch. May destroy the
  /// watch from inside the callback. Throws std::system_error if the kernel cannot poll it.
  Watch(Loop& loop, int descriptor, std::function<void()> on_readable);
  ~Watch();
  Watch(Watch&&) noexcept;
  Watch& operator=(Watch&&) noexcept;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// Watches on after an error. A descriptor in error (POLLERR) is called back once, to read the
  /// error, and then no longer watched, or an error that stays would spin.
  void resume();

private:
  struct Node;
  uv_unique<Node> node_;
};

/// Calls back while a descriptor is readable or writable, as asked (level-triggered).
class Poll
{
public:
  /// `descriptor` as with Watch. Asks for nothing yet. Throws std::system_error.
  Poll(Loop& loop, int descriptor, std::function<void(bool readable, bool writable)> on_ready);
  ~Poll();
  Poll(Poll&&) noexcept;
  Poll& operator=(Poll&&) noexcept;
  Poll(const Poll&) = delete;
  Poll& operator=(const Poll&) = delete;

  /// A descriptor in error counts as both.
  void ask(bool readable, bool writable);

private:
  struct Node;
  uv_unique<Node> node_;
};

/// Calls back once at a deadline. Unarmed, it costs nothing and wakes nobody.
class Timer
{
public:
  Timer(Loop& loop, std::function<void()> on_expired);
  ~Timer();
  Timer(Timer&&) noexcept;
  Timer& operator=(Timer&&) noexcept;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// Replaces the deadline. Fires in the first turn at or after it, at most a millisecond or so
  /// late and never early; a deadline in the past fires in the next turn. NEVER is `clear()`.
  void set(TimePoint deadline);
  void clear();
  /// NEVER when it is not armed.
  [[nodiscard]] TimePoint deadline() const;

private:
  struct Node;
  uv_unique<Node> node_;
};

/// Calls back in the loop for a signal (SIGTERM, SIGINT, SIGHUP, SIGCHLD, …).
class Signal
{
public:
  /// Throws std::system_error.
  Signal(Loop& loop, int number, std::function<void()> on_signal);
  ~Signal();
  Signal(Signal&&) noexcept;
  Signal& operator=(Signal&&) noexcept;
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

private:
  struct Node;
  uv_unique<Node> node_;
};

} // namespace slirpstack
