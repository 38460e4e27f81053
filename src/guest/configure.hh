#pragma once

#include "guest/guest_addresses.hh"
#include "guest/interface.hh"
#include "guest/rtnetlink.hh"

namespace slirpstack {

/// Brings lo and the guest's interface up: `mtu_bytes`, a transmit queue that takes a burst,
/// addresses and default routes. What is there already stays as it is: doing it twice, or after
/// somebody did a part, is no error. IPv6 addresses are usable at once, without duplicate
/// address detection (RFC 4862 section 5.4): nobody else is on this link.
///
/// Where the namespace has no IPv6 (or the MTU is below the 1280 of RFC 8200 section 5) it is
/// left off with a line in the log. Throws std::system_error for anything else.
///
/// Returns `addresses` without what was left off: all that an interface has which had none before.
[[nodiscard]] GuestAddresses configure_interface(RouteSocket& socket,
                                                 const Interface& interface,
                                                 unsigned mtu_bytes,
                                                 GuestAddresses addresses);

/// Brings an interface up with a transmit queue that takes a burst. Throws std::system_error.
void bring_up(RouteSocket& socket, const Interface& interface, unsigned mtu_bytes);

/// Gives the interface an Ethernet address of ours; it must be down. Throws std::system_error.
void set_mac(RouteSocket& socket, const Interface& interface, const MacAddress& mac);

} // namespace slirpstack
