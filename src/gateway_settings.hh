#pragma once

#include "face/config.hh"
#include "gateway/gateway.hh"
#include "guest/guest_addresses.hh"

#include <cstddef>

namespace slirpstack {

/// What the configuration asks of a guest's gateway. `max_flows`: what the limit of descriptors
/// allows, unless the configuration says less.
[[nodiscard]] Gateway::Settings gateway_settings(const Config& config,
                                                 const GuestAddresses& guest,
                                                 std::size_t max_flows);

} // namespace slirpstack
