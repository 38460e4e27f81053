#pragma once

#include "guest/guest_addresses.hh"
#include "guest/rtnetlink.hh"
#include "wire/address.hh"

#include <optional>
#include <string>

namespace slirpstack {

/// What the kernel says about one network interface.
struct Interface
{
  enum class Kind
  {
    tap,
    tun,
    other,
  };

  int index = 0;
  Kind kind = Kind::other;
  /// A tap or tun made with IFF_MULTI_QUEUE opens only with that flag.
  bool multi_queue = false;
  unsigned mtu_bytes = 0;
  /// Zero for a tun, which has no Ethernet.
  MacAddress mac;
};

/// Looks the interface up; nothing if there is none of that name. Throws std::system_error.
[[nodiscard]] std::optional<Interface> find_interface(RouteSocket& socket, const std::string& name);

/// The interface's addresses as its owner set them: of each family the first address that other
/// hosts may use, and the next hop of the default route through this interface. Where there is
/// no such route, or it names no next hop, the gateway is host 2 of the network: we are slirp.
/// Throws std::system_error.
[[nodiscard]] GuestAddresses read_addresses(RouteSocket& socket, const Interface& interface);

} // namespace slirpstack
