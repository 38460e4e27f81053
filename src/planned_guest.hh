#pragma once

#include "face/config.hh"
#include "guest/guest_addresses.hh"
#include "guest/namespace.hh"

namespace slirpstack {

/// The addresses that the configuration gives the guest's interface.
[[nodiscard]] GuestAddresses planned_addresses(const Config& config);

/// The namespace that it names. Throws UsageError if there is none.
[[nodiscard]] NamespaceTarget attach_target(const Config& config);

} // namespace slirpstack
