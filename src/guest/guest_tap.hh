#pragma once

#include "base/file_descriptor.hh"
#include "guest/guest_addresses.hh"
#include "guest/mtu_news.hh"
#include "guest/namespace.hh"

#include <optional>
#include <string>

namespace slirpstack {

/// Which interface of the guest to open, and what to make of it.
struct TapRequest
{
  /// 1 to 15 characters.
  std::string interface = "tun0";
  /// Make the interface if need be and set it up (`-configure`); otherwise it must be there, and
  /// is taken as its owner configured it.
  bool configure = false;
  /// The following only with `configure`. 68 to 65521 (a tap's largest).
  unsigned mtu_bytes = 1500;
  GuestAddresses addresses;
  /// The interface's Ethernet address; the kernel's choice if absent.
  std::optional<MacAddress> mac;
};

/// An open tap or tun device of the guest, and what its network namespace says about it.
struct OpenedTap
{
  /// Non-blocking, close-on-exec. It keeps the guest's network namespace alive.
  FileDescriptor fd;
  /// Ethernet frames; false: a tun device, bare IP packets.
  bool is_tap = true;
  /// Each frame has a 10-byte virtio_net_hdr before it, in both directions.
  bool vnet_header = false;
  /// The kernel takes and gives UDP segmentation (USO4 and USO6) too.
  bool udp_segmentation = false;
  /// The interface's own, whoever set it.
  unsigned mtu_bytes = 0;
  MtuNews mtu_news;
  /// Zero for a tun device.
  MacAddress guest_mac;
  /// What the interface has: as its owner set it, or as we did. A family that is missing has no
  /// address there (yet).
  GuestAddresses addresses;
};

/// Opens the guest's interface. The namespace is joined by a child process, which hands the
/// descriptor back; the caller stays where it is. Call it before other threads exist.
///
/// Throws std::system_error with the attempt that failed, UsageError if `interface` cannot be an
/// interface's name or is no tap or tun.
[[nodiscard]] OpenedTap open_guest_tap(const NamespaceTarget& target, const TapRequest& request);

} // namespace slirpstack
