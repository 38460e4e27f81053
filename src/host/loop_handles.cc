#include "host/loop.hh"
#include "host/uv_node.hh"

#include <utility>

namespace slirpstack {

struct Watch::Node
{
  uv_poll_t handle{};
  Loop* loop = nullptr;
  std::function<void()> on_readable;

  // libuv ends a poll handle by itself when the descriptor is in error.
  void start()
  {
    uv_call(
      "watch a descriptor",
      uv_poll_start(&handle, UV_READABLE, [](uv_poll_t* poll, int /*status*/, int /*events*/) {
        auto* node = static_cast<Node*>(poll->data);
        node->loop->note_activity();
        node->on_readable();
      }));
  }
};

Watch::Watch(Loop& loop, int descriptor, std::function<void()> on_readable)
  : node_(
    make_uv_unique("watch a descriptor",
                   Node{.loop = &loop, .on_readable = std::move(on_readable)},
                   [&](auto* handle) { return uv_poll_init(loop.raw(), handle, descriptor); }))
{
  node_->start();
}

Watch::~Watch() = default;
Watch::Watch(Watch&&) noexcept = default;
Watch& Watch::operator=(Watch&&) noexcept = default;

void Watch::resume()
{
  if (uv_is_active(base_handle(&node_->handle)) == 0) {
    node_->start();
  }
}

struct Poll::Node
{
  uv_poll_t handle{};
  Loop* loop = nullptr;
  std::function<void(bool, bool)> on_ready;
};

Poll::Poll(Loop& loop, int descriptor, std::function<void(bool, bool)> on_ready)
  : node_(
    make_uv_unique("poll a descriptor",
                   Node{.loop = &loop, .on_ready = std::move(on_ready)},
                   [&](auto* handle) { return uv_poll_init(loop.raw(), handle, descriptor); }))
{}

Poll::~Poll() = default;
Poll::Poll(Poll&&) noexcept = default;
Poll& Poll::operator=(Poll&&) noexcept = default;

void Poll::ask(bool readable, bool writable)
{
  if (!readable && !writable) {
    uv_poll_stop(&node_->handle);
    return;
  }
  const int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
  uv_call("poll a descriptor",
          uv_poll_start(&node_->handle, events, [](uv_poll_t* poll, int status, int happened) {
            auto* node = static_cast<Node*>(poll->data);
            node->loop->note_activity();
            node->on_ready(status < 0 || (happened & UV_READABLE) != 0,
                           status < 0 || (happened & UV_WRITABLE) != 0);
          }));
}

struct Timer::Node
{
  uv_timer_t handle{};
  Loop* loop = nullptr;
  std::function<void()> on_expired;
  TimePoint deadline = NEVER;

  void expire()
  {
    deadline = NEVER;
    loop->note_activity();
    on_expired();
  }
};

Timer::Timer(Loop& loop, std::function<void()> on_expired)
  : node_(make_uv_unique("make a timer",
                         Node{.loop = &loop, .on_expired = std::move(on_expired)},
                         [&](auto* handle) { return uv_timer_init(loop.raw(), handle); }))
{}

Timer::~Timer() = default;
Timer::Timer(Timer&&) noexcept = default;
Timer& Timer::operator=(Timer&&) noexcept = default;

void Timer::set(TimePoint deadline)
{
  if (deadline == node_->deadline) {
    return;
  }
  if (deadline == NEVER) {
    clear();
    return;
  }
  node_->deadline = deadline;
  // libuv counts from its own notion of now: the monotonic clock, read once a turn and rounded
  // down to milliseconds. Against that, a deadline rounded up is never early.
  const auto deadline_ms
    = std::chrono::ceil<std::chrono::milliseconds>(deadline.time_since_epoch()).count();
  const auto now_ms = static_cast<std::int64_t>(uv_now(node_->loop->raw()));
  const std::int64_t delay_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
  uv_timer_start(
    &node_->handle,
    [](uv_timer_t* timer) { static_cast<Node*>(timer->data)->expire(); },
    static_cast<std::uint64_t>(delay_ms),
    0);
}

void Timer::clear()
{
  node_->deadline = NEVER;
  uv_timer_stop(&node_->handle);
}

TimePoint Timer::deadline() const
{
  return node_->deadline;
}

struct Signal::Node
{
  uv_signal_t handle{};
  Loop* loop = nullptr;
  std::function<void()> on_signal;
};

Signal::Signal(Loop& loop, int number, std::function<void()> on_signal)
  : node_(make_uv_unique("watch a signal",
                         Node{.loop = &loop, .on_signal = std::move(on_signal)},
                         [&](auto* handle) { return uv_signal_init(loop.raw(), handle); }))
{
  uv_call("watch a signal",
          uv_signal_start(
            &node_->handle,
            [](uv_signal_t* signal, int /*number*/) {
              auto* node = static_cast<Node*>(signal->data);
              node->loop->note_activity();
              node->on_signal();
            },
            number));
}

Signal::~Signal() = default;
Signal::Signal(Signal&&) noexcept = default;
Signal& Signal::operator=(Signal&&) noexcept = default;

} // namespace slirpstack
