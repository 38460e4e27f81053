#pragma once

#include "accel/binding_maker.hh"
#include "flow/prefix_map.hh"
#include "slirpstack/nat_map.h"

#include <cstdint>
#include <map>

namespace slirpstack {

// What a prefix map means for the map `prefixes` in the kernel. Pure.

/// The mappings that decide about addresses of the guest, by internal prefix: where several
/// interfaces map one, the first by name.
[[nodiscard]] std::map<Prefix, PrefixMapping> effective_mappings(const PrefixMap& map);

/// `side`: nat_prefix_key.side.
[[nodiscard]] nat_prefix_key prefix_key(std::uint32_t side, const Prefix& prefix);
/// For the internal prefix: what its addresses become. Unless the mapping is open slirpstack is
/// asked about each flow.
[[nodiscard]] nat_prefix outbound_prefix(const PrefixMapping& mapping, const GuestPlace& guest);
/// For an external prefix that is not open: that there may be flows.
[[nodiscard]] nat_prefix inbound_prefix();
/// For that of an open mapping: what its addresses become, and where they are. `mtu_bytes` is that
/// of the guest.
[[nodiscard]] nat_prefix open_prefix(const PrefixMapping& mapping,
                                     const GuestPlace& guest,
                                     std::uint32_t mtu_bytes);

} // namespace slirpstack
