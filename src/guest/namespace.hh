#pragma once

#include "base/file_descriptor.hh"

#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>

namespace slirpstack {

/// The network namespace that the user named. Only text; nothing is opened yet.
struct NamespaceTarget
{
  /// The namespace's file; empty for the namespace we are in.
  std::string path;
  /// Set where a process was named, by its number or by a path below /proc/PID.
  std::optional<pid_t> pid;
  /// `-userns`: the user namespace to join first; empty: found from the network namespace.
  std::string user_path;

  /// The value of `-netns`: a path if it has a slash, otherwise a name below /run/netns; empty
  /// is our own namespace. Throws UsageError.
  static NamespaceTarget named(std::string_view text);
  /// The namespace of the process whose number is `text`. Throws UsageError.
  static NamespaceTarget of_process(std::string_view text);
  static NamespaceTarget of_process(pid_t pid);
};

/// A network namespace held open, and the user namespace from which it can be entered.
///
/// Entering takes CAP_SYS_ADMIN over the network namespace's owner. Where we lack it the owner
/// (NS_GET_USERNS) is joined first. That is not always the user namespace of the process named:
/// bubblewrap nests a second one, and from inside that one the owner is out of reach. One join
/// is enough at any depth: the kernel gives a user all capabilities over every user namespace
/// below one that he made, user_namespaces(7).
class Namespace
{
public:
  /// Opens what `target` names, so that a path such as /proc/self/fd/3 still means the caller's
  /// descriptor. Throws std::system_error.
  explicit Namespace(const NamespaceTarget& target);

  /// Moves the calling process, which must be single-threaded. There is no way back: call it in
  /// a child. Throws std::system_error.
  void enter() const;
  /// Whether it was named, and is the calling process's own.
  [[nodiscard]] bool is_ours() const { return !name_.empty() && !net_; }

private:
  void enter_owner() const;

  std::string name_;
  FileDescriptor net_; // none: our own
  FileDescriptor user_;
};

} // namespace slirpstack
