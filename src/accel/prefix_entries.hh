#pragma once

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
/// For the internal prefix: what its addresses become. slirpstack is asked about each flow.
[[nodiscard]] nat_prefix outbound_prefix(const PrefixMapping& mapping);
/// For the external prefix: that there may be flows.
[[nodiscard]] nat_prefix inbound_prefix();

} // namespace slirpstack
