#include "guest/namespace_watch.hh"

#include "base/error.hh"
#include "base/log.hh"

#include <array>
#include <filesystem>
#include <fmt/format.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace slirpstack {

NamespaceWatch::NamespaceWatch(const NamespaceTarget& target)
{
  if (target.pid) {
    fd_ = FileDescriptor(static_cast<int>(system_call(
      fmt::format("find the process {}", *target.pid), ::syscall(SYS_pidfd_open, *target.pid, 0))));
  } else if (!target.path.empty() && !target.path.starts_with("/proc/")) {
    path_ = target.path;
    watch_path();
  }
}

void NamespaceWatch::watch_path()
{
  struct stat now = {};
  system_call(fmt::format("open the network namespace {}", path_), ::stat(path_.c_str(), &now));
  device_ = now.st_dev;
  inode_ = now.st_ino;
  // A symbolic link's target is what is unmounted and deleted.
  std::error_code not_canonical;
  const std::filesystem::path file = std::filesystem::canonical(path_, not_canonical);
  fd_ = FileDescriptor(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (not_canonical) {
    errno = not_canonical.value(); // a link into /proc leads to no file
  }
  if (not_canonical || !fd_
      || ::inotify_add_watch(fd_.get(),
                             file.parent_path().c_str(),
                             IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_ONLYDIR)
           < 0) {
    // The user's inotify instances and watches are few; the network matters more.
    log(LogLevel::warning,
        "cannot watch the network namespace: its end will go unnoticed",
        {{"path", path_}, {"reason", last_error().message()}});
    fd_.reset();
  }
}

bool NamespaceWatch::gone()
{
  if (!fd_) {
    return false;
  }
  if (path_.empty()) {
    pollfd process{fd_.get(), POLLIN, 0};
    return ::poll(&process, 1, 0) > 0;
  }
  std::array<char, 4096> events{};
  while (::read(fd_.get(), events.data(), events.size()) > 0) {}
  struct stat now = {};
  return ::stat(path_.c_str(), &now) != 0 || now.st_dev != device_ || now.st_ino != inode_;
}

} // namespace slirpstack
