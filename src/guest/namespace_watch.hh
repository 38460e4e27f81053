#pragma once

#include "base/file_descriptor.hh"
#include "guest/namespace.hh"

#include <string>
#include <sys/types.h>

namespace slirpstack {

/// Tells when the network namespace that the user named goes away.
///
/// Our open tap keeps the namespace itself alive for ever, and the kernel has no event for the
/// end of its last process. So what was named is watched: a process by its pidfd, a name by
/// inotify on its directory. Other processes inside do not count. Our own namespace, and a
/// descriptor handed over as /proc/self/fd/N, have nothing that could go.
class NamespaceWatch
{
public:
  /// To be made before the namespace is opened, so that nothing is missed. Throws
  /// std::system_error if the process or the file is not there.
  explicit NamespaceWatch(const NamespaceTarget& target);

  /// Readable when gone() is worth asking; -1 if there is nothing to watch.
  [[nodiscard]] int fd() const { return fd_.get(); }
  /// Whether the process has ended, or the name no longer stands for the same namespace. Takes
  /// what fd() had to tell.
  [[nodiscard]] bool gone();

private:
  void watch_path();

  std::string path_; // empty: a process is watched
  dev_t device_ = 0;
  ino_t inode_ = 0;
  FileDescriptor fd_;
};

} // namespace slirpstack
