#pragma once

#include <cstdint>
#include <limits>

namespace slirpstack::bench {

/// What stands in the first eight bytes of each datagram of the generator, in host order (both
/// ends are the same machine). The sequence starts at 0.
using Sequence = std::uint64_t;

/// The sender is done; sent several times, because it may be lost.
inline constexpr Sequence LAST_DATAGRAM = std::numeric_limits<Sequence>::max();

/// Datagrams per sendmmsg() and recvmmsg().
inline constexpr std::size_t BATCH = 64;

} // namespace slirpstack::bench
