#pragma once

#include "wire/ip.hh"

namespace slirpstack {

/// Whether an IPv4 packet, with `header` as parsed from it, has an option that names routers on its
/// way (RFC 791 section 3.1: loose and strict source route): its destination is then not where it
/// goes in the end. Options that cannot be read might hide one, and count as such.
[[nodiscard]] bool is_source_routed(const IpHeader& header, ByteView packet);

} // namespace slirpstack
