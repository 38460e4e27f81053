#pragma once

#include "base/file_descriptor.hh"

#include <string>

namespace slirpstack {

/// What one process has its NAT at, for others to see: a socket without a file, which is known in
/// the interface's network namespace alone and goes with the process. With TC two NATs may be at
/// one interface; which ports are whose they cannot tell each other.
class InterfaceClaim
{
public:
  /// Throws std::system_error.
  explicit InterfaceClaim(const std::string& interface);

  /// False: another process has its NAT there, as far as can be seen.
  [[nodiscard]] bool is_only_one() const { return is_only_one_; }

private:
  FileDescriptor socket_;
  bool is_only_one_;
};

} // namespace slirpstack
