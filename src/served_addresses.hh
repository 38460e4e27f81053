#pragma once

#include "face/config.hh"
#include "face/narrator.hh"
#include "flow/forward_spec.hh"
#include "gateway/our_addresses.hh"
#include "guest/guest_addresses.hh"

#include <string>
#include <vector>

namespace slirpstack {

// Who has which address in the guest's world: what the options say, unless the interface's owner
// has configured it. `guest` is what the interface has; a family that it lacks goes by the options.

/// We are host 2 and host 3 of the guest's network, or the gateway that its owner has set, and the
/// DNS server that -dns says.
[[nodiscard]] OurAddresses our_addresses(const Config& config, const GuestAddresses& guest);
/// The guest's own, IPv4 first.
[[nodiscard]] std::vector<IpAddress> own_addresses(const Config& config,
                                                   const GuestAddresses& guest);
[[nodiscard]] ForwardDefaults forward_defaults(const Config& config, const GuestAddresses& guest);
/// The DNS servers of a guest with these addresses, of the families that it has.
[[nodiscard]] std::vector<IpAddress> dns_servers(const Config& config, const GuestAddresses& guest);
/// What the user is told.
[[nodiscard]] ServedAddresses served_addresses(const Config& config, const GuestAddresses& guest);

/// Why nobody in the guest can ask the DNS server at `dns`; empty: it can be asked.
[[nodiscard]] std::string dns_trouble(const GuestAddress& guest, const IpAddress& dns);
/// Warns of options without effect on this guest, and of a DNS server that it cannot ask.
void warn_of_addresses(const Config& config, const GuestAddresses& guest);

} // namespace slirpstack
