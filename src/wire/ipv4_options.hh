#pragma once

#include "wire/ip.hh"

#include <functional>

namespace slirpstack {

/// Visits the options of an IPv4 header, each with its kind and length, but for those that only
/// fill. `options` is what follows the header's first 20 bytes. False: one reaches over the end.
bool for_each_ipv4_option(ByteView options, const std::function<void(ByteView option)>& visit);

/// Whether an IPv4 packet, with `header` as parsed from it, has an option that names routers on its
/// way (RFC 791 section 3.1: loose and strict source route): its destination is then not where it
/// goes in the end. Options that cannot be read might hide one, and count as such.
[[nodiscard]] bool is_source_routed(const IpHeader& header, ByteView packet);

} // namespace slirpstack
