#pragma once

#include "base/bytes.hh"
#include "base/file_descriptor.hh"

#include <functional>
#include <linux/rtnetlink.h>
#include <utility>

namespace slirpstack {

using RouteMessageVisitor = std::function<void(const nlmsghdr&)>;

/// Visits the rtnetlink messages that were received in one piece, rtnetlink(7), up to the first
/// that is not whole. `messages` are aligned as they were received.
void for_each_message(ByteView messages, const RouteMessageVisitor& visit);

/// Hears of changes in a namespace's network, without blocking.
class RouteEvents
{
public:
  /// A socket in the namespace that the calling process is in; `groups` are RTMGRP_…. Throws
  /// std::system_error.
  [[nodiscard]] static FileDescriptor open_socket(unsigned groups);

  /// `socket` is of open_socket().
  explicit RouteEvents(FileDescriptor socket) : socket_(std::move(socket)) {}

  /// Readable when read() may have something.
  [[nodiscard]] int fd() const { return socket_.get(); }
  /// Visits what is there, up to a bound: who makes changes may make many. False: there were more
  /// than the kernel had room to tell.
  [[nodiscard]] bool read(const RouteMessageVisitor& visit) const;

private:
  FileDescriptor socket_;
};

} // namespace slirpstack
