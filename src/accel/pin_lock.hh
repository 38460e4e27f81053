#pragma once

#include "base/file_descriptor.hh"

#include <string>

namespace slirpstack {

/// A folder of pinned maps as one process's own: two would write into the same maps. It is given
/// back on every kind of exit, SIGKILL too.
class PinLock
{
public:
  /// None if `folder` is empty. Throws UsageError if another process has it, std::system_error.
  explicit PinLock(const std::string& folder);

private:
  FileDescriptor folder_;
};

} // namespace slirpstack
