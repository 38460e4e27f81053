#include "guest/command_child.hh"

#include "base/error.hh"
#include "base/file_descriptor.hh"
#include "base/last_word.hh"
#include "base/log.hh"
#include "base/quoted.hh"
#include "guest/resolv_conf.hh"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sstream>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace slirpstack {

namespace {

// What shells answer for a command not found and for one that cannot be executed.
constexpr int STATUS_NOT_FOUND = 127;
constexpr int STATUS_NOT_EXECUTABLE = 126;
// More than any resolv.conf that libc reads (its search list ends at 256 domains).
constexpr std::size_t MAX_RESOLV_CONF_BYTES = 65536;

/// The next message; a parent that has gone ends us.
std::string receive(int socket)
{
  std::string message(MAX_RESOLV_CONF_BYTES, '\0');
  ssize_t length_bytes = -1;
  do {
    length_bytes = ::recv(socket, message.data(), message.size(), 0);
  } while (length_bytes < 0 && errno == EINTR);
  if (length_bytes <= 0) {
    ::_exit(1);
  }
  message.resize(static_cast<std::size_t>(length_bytes));
  return message;
}

void make_namespaces(int socket)
{
  NamespacesMade report;
  if (::unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) != 0) {
    report.error_number = errno;
  }
  if (::send(socket, &report, sizeof report, MSG_NOSIGNAL) < 0 || report.error_number != 0) {
    ::_exit(1);
  }
}

/// `ping` without privileges works in the guest for its root, the only group that surely exists.
void allow_ping_sockets()
{
  const FileDescriptor file(::open("/proc/sys/net/ipv4/ping_group_range", O_WRONLY | O_CLOEXEC));
  constexpr std::string_view RANGE = "0 0";
  if (!file || ::write(file.get(), RANGE.data(), RANGE.size()) < 0) {
    log(LogLevel::info,
        "ping in the guest needs CAP_NET_RAW: net.ipv4.ping_group_range stays as it is",
        {{"reason", last_error().message()}});
  }
}

void reset_signals()
{
  for (int number = 1; number < NSIG; ++number) {
    // Refused for SIGKILL and SIGSTOP, which have no handlers.
    const auto before = ::signal(number, SIG_DFL);
    if (number == SIGHUP && before == SIG_IGN) {
      ::signal(number, SIG_IGN); // nohup(1) is meant for the command
    }
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// Whether a command is there at all: by its path, or by its name in a folder of PATH.
bool is_found(const std::string& command)
{
  if (command.find('/') != std::string::npos) {
    return true;
  }
  const char* const path = ::getenv("PATH");
  std::istringstream folders(path == nullptr ? "/bin:/usr/bin" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string path_of_it = folder.empty() ? command : fmt::format("{}/{}", folder, command);
    if (::access(path_of_it.c_str(), F_OK) == 0) {
      return true;
    }
  }
  return false;
}

[[noreturn]] void execute(const std::vector<std::string>& command)
{
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  // A folder of PATH that is closed to this user hides from execvp() that the name is nowhere.
  int error_number = errno;
  if (error_number == EACCES && !is_found(command.front())) {
    error_number = ENOENT;
  }
  write_last_word(
    "slirpstack",
    fmt::format("cannot execute {}: {}", escaped(command.front()), std::strerror(error_number)));
  ::_exit(error_number == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE);
}

void set_resolv_conf(const std::string& text)
{
  try {
    install_resolv_conf(text);
  } catch (const std::exception& error) {
    log(LogLevel::warning,
        "the guest keeps the host's resolv.conf, so names may not resolve",
        {{"reason", error.what()}});
  }
}

} // namespace

void become_guest_command(int socket, const std::vector<std::string>& command) noexcept
{
  reset_signals(); // at once: our parent's handlers are no business of ours
  make_namespaces(socket);
  receive(socket);
  // After the last change of credentials, since prctl(2) says that one may clear it. A parent
  // that died before this is noticed by the closed socket.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  allow_ping_sockets();
  set_resolv_conf(receive(socket));
  if (::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
    write_last_word("slirpstack",
                    fmt::format("cannot close descriptors: {}", last_error().message()));
    ::_exit(STATUS_NOT_EXECUTABLE);
  }
  execute(command);
}

} // namespace slirpstack
