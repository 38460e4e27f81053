#pragma once

#include "accel/nat_accelerator.hh"
#include "base/file_descriptor.hh"

#include <cstdint>
#include <vector>

namespace slirpstack::test {

/// The tap through which the first guest's packets come to slirpstack, and go back. The test plays
/// slirpstack.
class Tap
{
public:
  /// Makes the device and tells the NAT of it.
  explicit Tap(NatAccelerator& nat);

  /// The next IPv4 frame; empty if none comes within two seconds.
  [[nodiscard]] std::vector<std::uint8_t> read_frame();
  void write_frame(const std::vector<std::uint8_t>& frame);

private:
  FileDescriptor device_;
};

} // namespace slirpstack::test
