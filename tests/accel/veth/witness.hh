#pragma once

#include "base/file_descriptor.hh"

namespace slirpstack::test {

/// Sees every IPv4 packet that reaches the world.
class Witness
{
public:
  Witness();

  /// Whether a packet from an address of the inside has come since this was asked last.
  [[nodiscard]] bool saw_inside();

private:
  FileDescriptor socket_;
};

} // namespace slirpstack::test
