#pragma once

#include "base/file_descriptor.hh"
#include "guest/namespace.hh"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slirpstack {

/// The command of `run`: a child process in a user, network and mount namespace of its own, with
/// uid and gid 0 there.
///
/// It comes up in two steps. Constructed, it waits in its namespaces, so that its network can be
/// set up through target(); start() lets it become the command. Dropped before or after that it
/// is killed and reaped. It dies with us, however we die (PR_SET_PDEATHSIG); its own children
/// then live on without a network, since it has no pid namespace: `run` shows the host's
/// processes on purpose, so that `kill`, `ps` and job control are the user's own.
///
/// Construct it before other threads exist and before RLIMIT_NOFILE is raised: it inherits
/// limits, environment and working directory. Signals are back at their defaults in it, and of
/// our descriptors it gets 0, 1 and 2.
///
/// Signals that the terminal sends (SIGINT, SIGQUIT) reach the command by themselves, as it is
/// in the terminal's process group; the program ignores them meanwhile, as sudo and system(3)
/// do. SIGTERM and SIGHUP are for signal() to pass on.
class GuestCommand
{
public:
  /// `command` is a program, looked up in PATH, and its arguments; not empty. Throws
  /// std::system_error, for instance where the host lets users make no user namespaces.
  explicit GuestCommand(const std::vector<std::string>& command);
  ~GuestCommand();
  GuestCommand(const GuestCommand&) = delete;
  GuestCommand& operator=(const GuestCommand&) = delete;
  GuestCommand(GuestCommand&&) = delete;
  GuestCommand& operator=(GuestCommand&&) = delete;

  /// The network is ready: the child gets `resolv_conf` (not empty) as its /etc/resolv.conf (one
  /// that cannot be put in place is a warning in the log) and executes the command. To be called
  /// once. Throws std::system_error.
  void start(std::string_view resolv_conf);
  /// Sends a signal to the child; nothing happens if it has ended.
  void signal(int number) const;

  [[nodiscard]] NamespaceTarget target() const { return NamespaceTarget::of_process(pid_); }
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// A pidfd, readable when the child has ended.
  [[nodiscard]] int fd() const { return pidfd_.get(); }
  /// The child's exit status as a shell tells it, 128 + N for signal N; nothing while it runs.
  /// A command that cannot be executed ends with 126, one not found with 127.
  [[nodiscard]] std::optional<int> exit_status();
  /// Kills the child if it still runs, waits for it and returns its exit status.
  [[nodiscard]] int end();

private:
  void await_namespaces() const;

  FileDescriptor socket_;
  pid_t pid_ = -1;
  FileDescriptor pidfd_;
  std::optional<int> exit_status_;
};

/// What `run` executes when no command is given: `shell` (the value of $SHELL), or /bin/sh if that
/// is null or empty.
[[nodiscard]] std::vector<std::string> default_command(const char* shell);

} // namespace slirpstack
