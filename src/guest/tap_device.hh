#pragma once

#include "base/file_descriptor.hh"
#include "guest/interface.hh"

#include <optional>
#include <string>

namespace slirpstack {

/// An open tap or tun device, before anything is known of its addresses.
struct TapDevice
{
  FileDescriptor fd;
  bool is_tap = true;
  bool vnet_header = false;
  bool udp_segmentation = false;
};

/// Opens the device `name` of the network namespace that the calling process is in; makes a tap
/// if there is none (`existing` is empty). The offloads that the kernel has are switched on: the
/// guest may send segments of up to 64 KB with the checksum left to us. Non-blocking,
/// close-on-exec. Throws std::system_error.
///
/// /dev/net/tun remembers the network namespace it was *opened* in, so both steps happen here.
[[nodiscard]] TapDevice open_tap_device(const std::string& name,
                                        const std::optional<Interface>& existing);

/// Makes a tap in the namespace of the calling process without any offload: what is read from it
/// are whole frames with their checksums, and so is what may be written. Non-blocking,
/// close-on-exec; it goes with its descriptor. Throws std::system_error.
[[nodiscard]] FileDescriptor open_plain_tap(const std::string& name);

} // namespace slirpstack
