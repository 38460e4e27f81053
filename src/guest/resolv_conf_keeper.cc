#include "guest/resolv_conf_keeper.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "guest/resolv_conf.hh"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace slirpstack {

namespace {

namespace fs = std::filesystem;

const fs::path NAMED_FILE = "/etc/resolv.conf";

FileDescriptor open_namespace_of(pid_t process, const char* name)
{
  const std::string path = fmt::format("/proc/{}/ns/{}", process, name);
  return FileDescriptor(
    system_call(fmt::format("open {}", path), ::open(path.c_str(), O_RDONLY | O_CLOEXEC)));
}

} // namespace

ResolvConfKeeper::ResolvConfKeeper(pid_t command, std::function<std::string()> text)
  : text_(std::move(text))
  , user_(open_namespace_of(command, "user"))
  , mount_(open_namespace_of(command, "mnt"))
  , events_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK))
{
  watch();
}

void ResolvConfKeeper::watch()
{
  std::error_code missing;
  const fs::path target = fs::canonical(NAMED_FILE, missing);
  target_name_ = target.filename();
  for (const fs::path& folder : {NAMED_FILE.parent_path(), target.parent_path()}) {
    if (!folder.empty()
        && ::inotify_add_watch(events_.get(), folder.c_str(), IN_CREATE | IN_MOVED_TO | IN_ONLYDIR)
             < 0) {
      // The user's inotify instances and watches are few; the network matters more.
      log(LogLevel::warning,
          "cannot see whether the host replaces its resolv.conf; the guest would read that then",
          {{"reason", last_error().message()}});
      return; // what is watched already stays so
    }
  }
}

bool ResolvConfKeeper::take_events() const
{
  alignas(inotify_event) std::array<char, 4096> buffer{};
  bool is_ours = false;
  for (;;) {
    const ssize_t length = ::read(events_.get(), buffer.data(), buffer.size());
    if (length <= 0) {
      return is_ours;
    }
    for (std::size_t at = 0; at < static_cast<std::size_t>(length);) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      const char* const name = event.len > 0 ? buffer.data() + at + sizeof event : "";
      is_ours = is_ours || name == NAMED_FILE.filename() || name == target_name_
                || (event.mask & IN_Q_OVERFLOW) != 0;
      at += sizeof event + event.len;
    }
  }
}

bool ResolvConfKeeper::on_readable()
{
  if (!take_events()) {
    return false;
  }
  watch(); // it may lead elsewhere now
  if (child_ >= 0) {
    again_ = true;
    return false;
  }
  return begin_child();
}

bool ResolvConfKeeper::begin_child()
{
  again_ = false;
  const std::string text = text_();
  const pid_t child = ::fork();
  if (child == 0) {
    restore(text);
  }
  if (child < 0) {
    log(LogLevel::warning,
        "the host has replaced its resolv.conf, and the guest now reads that one",
        {{"reason", last_error().message()}});
    return false;
  }
  child_ = child;
  child_fd_ = FileDescriptor(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  if (!child_fd_) {
    return end_child(); // it cannot be watched
  }
  return true;
}

bool ResolvConfKeeper::end_child()
{
  ::kill(child_, SIGKILL);
  while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {}
  child_ = -1;
  child_fd_.reset();
  return again_ && begin_child();
}

ResolvConfKeeper::~ResolvConfKeeper()
{
  again_ = false;
  if (child_ >= 0) {
    static_cast<void>(end_child());
  }
}

void ResolvConfKeeper::restore(const std::string& text) const
{
  // The guest's root shall not look into it; both again where new credentials have changed that.
  const auto close_up = [] {
    ::prctl(PR_SET_DUMPABLE, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  };
  close_up();
  const int user = ::fcntl(user_.get(), F_DUPFD, 3);
  const int mount = ::fcntl(mount_.get(), F_DUPFD, 3);
  const int first = std::min(user, mount);
  const int second = std::max(user, mount);
  ::close_range(3, static_cast<unsigned>(first) - 1, 0);
  if (second - first > 1) {
    ::close_range(static_cast<unsigned>(first) + 1, static_cast<unsigned>(second) - 1, 0);
  }
  ::close_range(static_cast<unsigned>(second) + 1, ~0U, 0);
  try {
    system_call("join the command's user namespace", ::setns(user, CLONE_NEWUSER));
    close_up();
    system_call("join the command's mount namespace", ::setns(mount, CLONE_NEWNS));
    if (restore_resolv_conf(text)) {
      log(LogLevel::debug, "the host has replaced its resolv.conf; the guest's is in place again");
    }
  } catch (const std::exception& error) {
    log(LogLevel::warning,
        "the host has replaced its resolv.conf, and the guest now reads that one",
        {{"reason", error.what()}});
  }
  ::_exit(EXIT_SUCCESS);
}

} // namespace slirpstack
