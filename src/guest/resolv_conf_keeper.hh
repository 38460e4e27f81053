#pragma once

#include "base/file_descriptor.hh"

#include <functional>
#include <string>
#include <sys/types.h>

namespace slirpstack {

/// Keeps the resolv.conf of a command of `run` in place. A network manager replaces the host's file
/// when the network changes, by rename(2); the file that covered it in the command's mount
/// namespace is gone then, and the command would read the host's.
///
/// A child process puts it in place again. It works among the guest's files, which may keep it
/// waiting for ever, so nobody waits for it; and it has nothing that the guest could want, should
/// that get hold of it.
class ResolvConfKeeper
{
public:
  /// `command` waits in its namespaces. `text` makes the file's text. Where the directories cannot
  /// be watched, that is a warning in the log. Throws std::system_error.
  ResolvConfKeeper(pid_t command, std::function<std::string()> text);
  /// Ends the child.
  ~ResolvConfKeeper();
  ResolvConfKeeper(const ResolvConfKeeper&) = delete;
  ResolvConfKeeper& operator=(const ResolvConfKeeper&) = delete;
  ResolvConfKeeper(ResolvConfKeeper&&) = delete;
  ResolvConfKeeper& operator=(ResolvConfKeeper&&) = delete;

  /// Readable when on_readable() may have something to do; -1: never.
  [[nodiscard]] int fd() const { return events_.get(); }
  /// True: a child has begun. What goes wrong is a warning in the log.
  [[nodiscard]] bool on_readable();

  /// A pidfd of the child that on_readable() has begun, readable when it has ended.
  [[nodiscard]] int child_fd() const { return child_fd_.get(); }
  /// Takes the child that has ended, or ends it. True: there is one more, for what has come since.
  [[nodiscard]] bool end_child();

private:
  /// The directories in which the file, or what it leads to, would be replaced.
  void watch();
  /// Whether something of that name has come.
  [[nodiscard]] bool take_events() const;
  [[nodiscard]] bool begin_child();
  [[noreturn]] void restore(const std::string& text) const;

  std::function<std::string()> text_;
  FileDescriptor user_;
  FileDescriptor mount_;
  FileDescriptor events_;
  std::string target_name_; ///< of the file that /etc/resolv.conf leads to
  pid_t child_ = -1;
  FileDescriptor child_fd_;
  bool again_ = false; ///< it was replaced while the child was at work
};

} // namespace slirpstack
