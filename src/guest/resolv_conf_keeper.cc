#include "guest/resolv_conf_keeper.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "guest/handover.hh"
#include "guest/resolv_conf.hh"

#include <array>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <sched.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <utility>

namespace slirpstack {

namespace {

namespace fs = std::filesystem;

const fs::path RESOLV_CONF = "/etc/resolv.conf";

FileDescriptor open_namespace(pid_t process, const char* name)
{
  const std::string path = fmt::format("/proc/{}/ns/{}", process, name);
  return FileDescriptor(
    system_call(fmt::format("open {}", path), ::open(path.c_str(), O_RDONLY | O_CLOEXEC)));
}

} // namespace

ResolvConfKeeper::ResolvConfKeeper(pid_t command, std::function<std::string()> text)
  : text_(std::move(text))
  , user_(open_namespace(command, "user"))
  , mount_(open_namespace(command, "mnt"))
  , events_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK))
{
  watch();
}

void ResolvConfKeeper::watch()
{
  std::error_code missing;
  const fs::path target = fs::canonical(RESOLV_CONF, missing);
  target_name_ = target.filename();
  for (const fs::path& folder : {RESOLV_CONF.parent_path(), target.parent_path()}) {
    if (!folder.empty()
        && ::inotify_add_watch(events_.get(), folder.c_str(), IN_CREATE | IN_MOVED_TO | IN_ONLYDIR)
             < 0) {
      // The user's inotify instances and watches are few; the network matters more.
      log(LogLevel::warning,
          "cannot see whether the host replaces its resolv.conf; the guest would read that then",
          {{"reason", last_error().message()}});
      events_.reset();
      return;
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
      is_ours = is_ours || name == RESOLV_CONF.filename() || name == target_name_
                || (event.mask & IN_Q_OVERFLOW) != 0;
      at += sizeof event + event.len;
    }
  }
}

void ResolvConfKeeper::on_readable()
{
  if (!take_events()) {
    return;
  }
  watch(); // it may lead elsewhere now
  try {
    restore();
  } catch (const std::exception& error) {
    log(LogLevel::warning,
        "the host has replaced its resolv.conf, and the guest now reads that one",
        {{"reason", error.what()}});
  }
}

void ResolvConfKeeper::restore()
{
  const std::string text = text_();
  const Handover done = run_in_child([&] {
    system_call("join the command's user namespace", ::setns(user_.get(), CLONE_NEWUSER));
    system_call("join the command's mount namespace", ::setns(mount_.get(), CLONE_NEWNS));
    return Handover{.bytes = {std::byte{restore_resolv_conf(text)}}, .descriptors = {}};
  });
  if (done.bytes.front() != std::byte{0}) {
    log(LogLevel::debug, "the host has replaced its resolv.conf; the guest's is in place again");
  }
}

} // namespace slirpstack
