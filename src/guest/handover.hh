#pragma once

#include "base/file_descriptor.hh"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace slirpstack {

/// What a child process hands to its parent: some bytes and some open descriptors.
struct Handover
{
  std::vector<std::byte> bytes;
  std::vector<FileDescriptor> descriptors;
};

/// Runs `work` in a child process and returns what it hands over. A namespace is entered for a
/// moment this way: the calling process never leaves its own.
///
/// The child has descriptors, credentials and namespaces of its own, but works in the caller's
/// memory, which stands still until it has ended, as with vfork(2): a copy would cost more than
/// the work. What `work` changes, it changes for the caller too. Meanwhile nobody may ptrace(2)
/// either of them who may not do so to a process that cannot be dumped.
///
/// An exception of `work` is thrown here again: std::system_error and UsageError as such, others
/// as std::runtime_error with the same text. A child that dies is a std::runtime_error. The
/// child is single-threaded, runs no destructor and no exit handler of the caller's, and dies
/// with the caller. At most 4 KiB and 4 descriptors. Call it before other threads exist.
[[nodiscard]] Handover run_in_child(const std::function<Handover()>& work);

} // namespace slirpstack
