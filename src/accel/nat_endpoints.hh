#pragma once

#include "accel/nat_plan.hh"
#include "base/clock.hh"
#include "flow/flow_key.hh"
#include "slirpstack/nat_map.h"

#include <compare>

namespace slirpstack {

/// What the maps call an endpoint; endpoint_of() is the way back. `zone` is 0 for an external one.
/// IPv4 only.
[[nodiscard]] nat_endpoint map_endpoint(const Endpoint& endpoint,
                                        std::uint8_t protocol,
                                        std::uint8_t zone);

/// The session of a flow whose guest's endpoint is `external` outside.
[[nodiscard]] nat_session_key map_session(const nat_endpoint& external, const Endpoint& remote);
/// The external endpoint that a session is of.
[[nodiscard]] nat_endpoint external_of(const nat_session_key& session);
[[nodiscard]] Endpoint remote_of(const nat_session_key& session);

/// Some order, for containers.
struct NatEndpointOrder
{
  bool operator()(const nat_endpoint& one, const nat_endpoint& other) const;
};

/// What the kernel's clock says at that time.
[[nodiscard]] std::uint64_t kernel_time(TimePoint time);

} // namespace slirpstack
