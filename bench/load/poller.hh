#pragma once

#include "base/clock.hh"
#include "base/file_descriptor.hh"

#include <array>
#include <cstdint>
#include <span>
#include <sys/epoll.h>

namespace slirpstack::bench {

/// One epoll set, level-triggered. Every event carries the 64-bit token it was added with.
class Poller
{
public:
  Poller();

  /// Watches `socket`, or changes what is watched; `events` as in epoll_ctl().
  void add(const FileDescriptor& socket, std::uint32_t events, std::uint64_t token);
  void change(const FileDescriptor& socket, std::uint32_t events, std::uint64_t token);
  void remove(const FileDescriptor& socket);

  /// What happened, at the latest at `deadline`; valid until the next call.
  std::span<const epoll_event> wait(TimePoint deadline);

private:
  FileDescriptor set_;
  std::array<epoll_event, 256> events_{};
};

} // namespace slirpstack::bench
