#include "host/loop.hh"

#include "base/interrupted.hh"
#include "host/uv_node.hh"

#include <cassert>
#include <utility>

namespace slirpstack {

struct Loop::Prepare
{
  uv_prepare_t handle{};
  Loop* loop = nullptr;
  bool until_done = false; ///< in `run_until()`
};

struct Loop::Idle
{
  uv_idle_t handle{};
};

Loop::Loop()
{
  auto loop = std::make_unique<uv_loop_t>();
  uv_call("initialise the event loop", uv_loop_init(loop.get()));
  loop_.reset(loop.release());
  prepare_ = make_uv_unique("initialise the event loop", Prepare{.loop = this}, [&](auto* handle) {
    return uv_prepare_init(raw(), handle);
  });
  idle_ = make_uv_unique(
    "initialise the event loop", Idle{}, [&](auto* handle) { return uv_idle_init(raw(), handle); });
  uv_prepare_start(&prepare_->handle, [](uv_prepare_t* handle) {
    static_cast<Prepare*>(handle->data)->loop->before_poll();
  });
}

Loop::~Loop() = default;

void Loop::LoopClose::operator()(uv_loop_s* loop) const noexcept
{
  // The close callbacks of handles that are going away still have to run; that of a signal which
  // was just caught takes a turn more.
  int status = UV_EBUSY;
  for (int turns = 0; status == UV_EBUSY && turns < 4; ++turns) {
    uv_run(loop, UV_RUN_NOWAIT);
    status = uv_loop_close(loop);
  }
  assert(status == 0 && "a handle outlived its loop");
  delete loop;
}

void Loop::run()
{
  if (!stopped_) {
    uv_run(raw(), UV_RUN_DEFAULT);
  }
  stopped_ = false;
}

void Loop::run_until(const std::function<bool()>& done)
{
  prepare_->until_done = true;
  while (!done()) {
    if (std::exchange(stopped_, false)) {
      prepare_->until_done = false;
      throw Interrupted();
    }
    uv_run(raw(), UV_RUN_ONCE);
  }
  prepare_->until_done = false;
}

void Loop::stop()
{
  stopped_ = true;
  uv_stop(raw());
}

void Loop::keep_going()
{
  keep_going_ = true;
}

void Loop::spin_after_activity(std::chrono::microseconds duration)
{
  spin_ = duration;
}

void Loop::note_activity()
{
  if (!std::exchange(active_, true)) {
    for (const LoopTurns* each : turns_) {
      if (each->before_) {
        each->before_();
      }
    }
  }
}

// libuv 1.44 runs timers before the poll and 1.45 after it; right before the poll, both have run.
void Loop::before_poll()
{
  const bool active = std::exchange(active_, false);
  if (active && spin_.count() > 0) {
    last_activity_ = now();
  }
  if (std::exchange(keep_going_, false) || active) {
    for (const LoopTurns* each : turns_) {
      if (each->after_) {
        each->after_();
      }
    }
  }
  // An active idle handle, which has nothing else to do, makes the poll return at once. What was
  // waited for may be a timer that was due as the turn began, and has run: the poll could last.
  if (keep_going_ || spinning() || (active && prepare_->until_done)) {
    uv_idle_start(&idle_->handle, [](uv_idle_t*) {});
  } else {
    uv_idle_stop(&idle_->handle);
  }
}

LoopTurns::LoopTurns(Loop& loop, std::function<void()> before, std::function<void()> after)
  : loop_(loop), before_(std::move(before)), after_(std::move(after))
{
  loop_.turns_.push_back(this);
}

LoopTurns::~LoopTurns()
{
  std::erase(loop_.turns_, this);
}

bool Loop::spinning()
{
  return spin_.count() > 0 && now() - last_activity_ < spin_;
}

} // namespace slirpstack
