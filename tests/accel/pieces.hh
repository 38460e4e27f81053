#pragma once

#include "frame.hh"

#include <cstddef>
#include <cstdint>

namespace slirpstack::test {

/// What the first fragment of a datagram() carries; its ports are in there.
inline constexpr std::size_t PIECE = 24;

/// UDP over IPv4, of two pieces.
inline Bytes datagram(const Endpoint& source,
                      const Endpoint& destination,
                      std::uint8_t hop_limit = 64)
{
  Packet packet;
  packet.source = source;
  packet.destination = destination;
  packet.hop_limit = hop_limit;
  packet.data.assign(40, 'x');
  return build(packet);
}

inline Bytes first(const Bytes& whole)
{
  return fragment(whole, 0, PIECE, true);
}

inline Bytes later(const Bytes& whole)
{
  return fragment(whole, PIECE, PIECE, false);
}

} // namespace slirpstack::test
