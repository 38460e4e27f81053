#include "guest/guest_command.hh"

#include "base/error.hh"
#include "guest/command_child.hh"
#include "guest/id_map.hh"

#include <array>
#include <cassert>
#include <csignal>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace slirpstack {

namespace {

/// As a shell tells it.
int shell_status(int wait_status)
{
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

FileDescriptor open_pidfd(pid_t pid)
{
  return FileDescriptor(static_cast<int>(
    system_call("open a pidfd of the command", ::syscall(SYS_pidfd_open, pid, 0))));
}

/// Returns the wait status.
int kill_and_reap(pid_t pid)
{
  int wait_status = 0;
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, &wait_status, 0) < 0 && errno == EINTR) {}
  return wait_status;
}

} // namespace

GuestCommand::GuestCommand(const std::vector<std::string>& command)
{
  assert(!command.empty());
  std::array<int, 2> ends{};
  system_call("make a socket pair",
              ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()));
  socket_ = FileDescriptor(ends[0]);
  FileDescriptor theirs(ends[1]);
  pid_ = system_call("fork", ::fork());
  if (pid_ == 0) {
    socket_.reset(); // or it would never see our end close
    become_guest_command(theirs.get(), command);
  }
  theirs.reset(); // a child that dies is noticed
  // No destructor runs if this constructor throws.
  try {
    pidfd_ = open_pidfd(pid_);
    await_namespaces();
    write_id_maps(pid_);
    system_call("wake the command's child",
                ::send(socket_.get(), &IDS_MAPPED, sizeof IDS_MAPPED, MSG_NOSIGNAL));
  } catch (...) {
    kill_and_reap(pid_);
    throw;
  }
}

GuestCommand::~GuestCommand()
{
  if (!exit_status_) {
    kill_and_reap(pid_);
  }
}

void GuestCommand::await_namespaces() const
{
  NamespacesMade report{};
  ssize_t length_bytes = -1;
  do {
    length_bytes = ::recv(socket_.get(), &report, sizeof report, 0);
  } while (length_bytes < 0 && errno == EINTR);
  if (length_bytes != sizeof report) {
    throw std::runtime_error("the command's child ended before it had its namespaces");
  }
  if (report.error_number != 0) {
    throw std::system_error(
      report.error_number,
      std::generic_category(),
      "make a user, network and mount namespace (see user.max_user_namespaces, "
      "kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns)");
  }
}

void GuestCommand::start(std::string_view resolv_conf)
{
  assert(!resolv_conf.empty());
  system_call("start the command",
              ::send(socket_.get(), resolv_conf.data(), resolv_conf.size(), MSG_NOSIGNAL));
  socket_.reset();
}

void GuestCommand::signal(int number) const
{
  ::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0);
}

std::optional<int> GuestCommand::exit_status()
{
  int wait_status = 0;
  if (!exit_status_ && ::waitpid(pid_, &wait_status, WNOHANG) == pid_) {
    exit_status_ = shell_status(wait_status);
  }
  return exit_status_;
}

int GuestCommand::end()
{
  if (!exit_status_) {
    exit_status_ = shell_status(kill_and_reap(pid_));
  }
  return *exit_status_;
}

std::vector<std::string> default_command(const char* shell)
{
  return {shell == nullptr || *shell == '\0' ? "/bin/sh" : shell};
}

} // namespace slirpstack
