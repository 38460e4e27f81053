#include "guest/namespace.hh"

#include "base/error.hh"

#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace slirpstack {

namespace {

std::optional<pid_t> parse_pid(std::string_view text)
{
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc() || end != text.data() + text.size() || pid <= 0) {
    return std::nullopt;
  }
  return pid;
}

/// The process that a path such as /proc/4711/ns/net belongs to.
std::optional<pid_t> process_of(std::string_view path)
{
  constexpr std::string_view PROC = "/proc/";
  if (!path.starts_with(PROC)) {
    return std::nullopt;
  }
  path.remove_prefix(PROC.size());
  return parse_pid(path.substr(0, path.find('/')));
}

FileDescriptor open_namespace(const std::string& path, int type, std::string_view type_name)
{
  const std::string attempt = fmt::format("open the {} namespace {}", type_name, path);
  FileDescriptor opened(system_call(attempt, ::open(path.c_str(), O_RDONLY | O_CLOEXEC)));
  if (::ioctl(opened.get(), NS_GET_NSTYPE) != type) {
    throw std::runtime_error(fmt::format("{} is no {} namespace", path, type_name));
  }
  return opened;
}

bool is_our_own(const FileDescriptor& opened, const char* ours)
{
  struct stat theirs_stat = {};
  struct stat ours_stat = {};
  return ::fstat(opened.get(), &theirs_stat) == 0 && ::stat(ours, &ours_stat) == 0
         && theirs_stat.st_dev == ours_stat.st_dev && theirs_stat.st_ino == ours_stat.st_ino;
}

void check_process_exists(pid_t pid)
{
  if (::access(fmt::format("/proc/{}", pid).c_str(), F_OK) != 0) {
    throw UsageError(fmt::format("invalid process id {}: there is no such process", pid));
  }
}

} // namespace

NamespaceTarget NamespaceTarget::named(std::string_view text)
{
  if (text.empty()) {
    return {};
  }
  if (text.find('/') != std::string_view::npos) {
    return {std::string(text), process_of(text), {}};
  }
  if (text == "." || text == ".." || text.find('\0') != std::string_view::npos) {
    throw UsageError(fmt::format(
      "invalid value \"{}\" for flag -netns: give a path, or a name below /run/netns", text));
  }
  return {fmt::format("/run/netns/{}", text), std::nullopt, {}};
}

NamespaceTarget NamespaceTarget::of_process(std::string_view text)
{
  const std::optional<pid_t> pid = parse_pid(text);
  if (!pid) {
    throw UsageError(fmt::format("\"{}\" is no process id: give a number above 0", text));
  }
  return of_process(*pid);
}

NamespaceTarget NamespaceTarget::of_process(pid_t pid)
{
  return {fmt::format("/proc/{}/ns/net", pid), pid, {}};
}

Namespace::Namespace(const NamespaceTarget& target) : name_(target.path)
{
  if (!target.user_path.empty()) {
    user_ = open_namespace(target.user_path, CLONE_NEWUSER, "user");
    if (is_our_own(user_, "/proc/self/ns/user")) {
      user_.reset(); // joining one's own is EINVAL
    }
  }
  if (name_.empty()) {
    return;
  }
  if (target.pid) {
    check_process_exists(*target.pid);
  }
  net_ = open_namespace(name_, CLONE_NEWNET, "network");
  if (is_our_own(net_, "/proc/self/ns/net")) {
    net_.reset(); // needs no privilege, so it must not ask for one
  }
}

void Namespace::enter_owner() const
{
  const FileDescriptor owner(system_call(fmt::format("find the user namespace that owns {}", name_),
                                         ::ioctl(net_.get(), NS_GET_USERNS)));
  if (is_our_own(owner, "/proc/self/ns/user")) {
    // The owner is where we are, and here we may not: no join can help.
    throw std::system_error(
      EPERM, std::generic_category(), fmt::format("join the network namespace {}", name_));
  }
  uid_t uid = 0;
  ::ioctl(owner.get(), NS_GET_OWNER_UID, &uid);
  system_call(fmt::format("join the user namespace that owns {} (made by user {})", name_, uid),
              ::setns(owner.get(), CLONE_NEWUSER));
}

void Namespace::enter() const
{
  if (user_) {
    system_call("join the user namespace given", ::setns(user_.get(), CLONE_NEWUSER));
  }
  if (!net_ || ::setns(net_.get(), CLONE_NEWNET) == 0) {
    return;
  }
  const std::string attempt = fmt::format("join the network namespace {}", name_);
  if (errno != EPERM || user_) {
    throw_system_error(attempt);
  }
  enter_owner();
  system_call(attempt, ::setns(net_.get(), CLONE_NEWNET));
}

} // namespace slirpstack
