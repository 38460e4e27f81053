#pragma once

#include "wire/fragment.hh"

namespace slirpstack {

/// Cuts an IPv4 packet of somebody else's into fragments of at most `mtu_bytes`, as a router on its
/// way does (RFC 791 section 3.2): identification and all else stay, a fragment is cut into smaller
/// ones, and behind the first only those options go along that are marked as copied. A packet that
/// fits is given as it is. Returns how many were given; 0 if the packet must not be cut (Don't
/// Fragment), its options are malformed, it would reach beyond 65535 bytes, or the MTU leaves no
/// room for eight bytes.
std::size_t split_ipv4(ByteView packet, std::size_t mtu_bytes, const FragmentSink& sink);

} // namespace slirpstack
