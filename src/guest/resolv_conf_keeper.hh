#pragma once

#include "base/file_descriptor.hh"

#include <functional>
#include <string>
#include <sys/types.h>

namespace slirpstack {

/// Keeps the resolv.conf of a command of `run` in place. A network manager replaces the host's file
/// when the network changes, by rename(2); the file that covered it in the command's mount
/// namespace is gone then, and the command would read the host's.
class ResolvConfKeeper
{
public:
  /// `command` waits in its namespaces. `text` makes the file's text. Where the directories cannot
  /// be watched, that is a warning in the log.
  ResolvConfKeeper(pid_t command, std::function<std::string()> text);

  /// Readable when there may be something to do; -1: never.
  [[nodiscard]] int fd() const { return events_.get(); }
  /// Looks, and puts the file in place again. What goes wrong is a warning in the log.
  void on_readable();

private:
  /// The directories in which the file, or what it leads to, would be replaced.
  void watch();
  /// Whether something of that name has come.
  [[nodiscard]] bool take_events() const;
  void restore();

  std::function<std::string()> text_;
  FileDescriptor user_;
  FileDescriptor mount_;
  FileDescriptor events_;
  std::string target_name_; ///< of the file that /etc/resolv.conf leads to
};

} // namespace slirpstack
