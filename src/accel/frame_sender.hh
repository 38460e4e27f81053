#pragma once

#include "flow/guest_packet.hh"
#include "wire/address.hh"

#include <optional>

namespace slirpstack {

/// The Ethernet address that the packet's frame is from; nothing where there is no Ethernet header.
[[nodiscard]] std::optional<MacAddress> sender_of(const GuestPacket& packet);

} // namespace slirpstack
