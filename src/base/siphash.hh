#pragma once

#include "base/bytes.hh"

#include <cstdint>

namespace slirpstack {

/// A secret of 128 bits, drawn once per process.
struct HashSecret
{
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  /// From the kernel's random number generator. Throws std::system_error.
  static HashSecret random();
};

/// SipHash-1-3 (Aumasson and Bernstein, 2012): a keyed hash whose collisions a guest cannot
/// choose, for hash tables and for initial sequence numbers (RFC 6528).
[[nodiscard]] std::uint64_t siphash(const HashSecret& secret, ByteView bytes);

} // namespace slirpstack
