#include "load/poller.hh"

#include "base/error.hh"

#include <algorithm>

namespace slirpstack::bench {

namespace {

void control(const FileDescriptor& set,
             int operation,
             const FileDescriptor& socket,
             std::uint32_t events,
             std::uint64_t token)
{
  epoll_event event{.events = events, .data = {.u64 = token}};
  system_call("epoll_ctl", ::epoll_ctl(set.get(), operation, socket.get(), &event));
}

} // namespace

Poller::Poller() : set_(system_call("epoll_create1", ::epoll_create1(EPOLL_CLOEXEC))) {}

void Poller::add(const FileDescriptor& socket, std::uint32_t events, std::uint64_t token)
{
  control(set_, EPOLL_CTL_ADD, socket, events, token);
}

void Poller::change(const FileDescriptor& socket, std::uint32_t events, std::uint64_t token)
{
  control(set_, EPOLL_CTL_MOD, socket, events, token);
}

void Poller::remove(const FileDescriptor& socket)
{
  control(set_, EPOLL_CTL_DEL, socket, 0, 0);
}

std::span<const epoll_event> Poller::wait(TimePoint deadline)
{
  using std::chrono::milliseconds;
  const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
  const int timeout = static_cast<int>(std::max(left, milliseconds(0)).count());
  const int count = system_call(
    "epoll_wait",
    ::epoll_wait(set_.get(), events_.data(), static_cast<int>(events_.size()), timeout));
  return std::span(events_).first(static_cast<std::size_t>(count));
}

} // namespace slirpstack::bench
