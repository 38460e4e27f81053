#pragma once

#include "base/file_descriptor.hh"

#include <string>

namespace slirpstack {

/// A tap of our own in the namespace that we are in: what is sent to it, we read. It goes with its
/// descriptor, so it does not outlive the process.
struct HostTap
{
  /// Non-blocking, close-on-exec; plain Ethernet frames, each checksum filled in.
  FileDescriptor fd;
  int index = 0;
};

/// Makes a tap that is up and otherwise unknown to the kernel's own network. Throws
/// std::system_error, EBUSY where another process has a tap of that name.
[[nodiscard]] HostTap open_host_tap(const std::string& name, unsigned mtu_bytes);

} // namespace slirpstack
