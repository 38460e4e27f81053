#include "accel/pin_lock.hh"

#include "base/error.hh"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

namespace slirpstack {

PinLock::PinLock(const std::string& folder)
{
  if (folder.empty()) {
    return;
  }
  folder_ = FileDescriptor(system_call(fmt::format("open {}", folder),
                                       ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  if (::flock(folder_.get(), LOCK_EX | LOCK_NB) == 0) {
    return;
  }
  if (errno == EWOULDBLOCK) {
    throw UsageError(fmt::format("invalid value \"{}\" for flag -pin: another slirpstack or cgnat, "
                                 "which is running, has its maps there",
                                 folder));
  }
  throw_system_error(fmt::format("lock {}", folder));
}

} // namespace slirpstack
