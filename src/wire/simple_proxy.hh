#pragma once

#include "wire/address.hh"
#include "wire/drop.hh"

namespace slirpstack {

/// The header of the Simple Proxy Protocol for UDP (Cloudflare Spectrum), before each datagram in
/// both directions.
///
///      0                   1                   2                   3
///      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
///     ┌───────────────────────────────┬───────────────────────────────┤
///     │        magic 0x56EC           │  client address (16 bytes) …  │
///     ├───────────────────────────────┴───────────────────────────────┤
///     │                   … proxy address (16 bytes) …                │
///     ├───────────────────────────────┬───────────────────────────────┤
///     │        client port            │         proxy port            │
///     └───────────────────────────────┴───────────────────────────────┘
struct SimpleProxyHeader
{
  static constexpr std::size_t SIZE_BYTES = 38;
  static constexpr std::uint16_t MAGIC = 0x56ec;

  /// IPv4 addresses stand in it as IPv4-mapped ones; here they are IPv4.
  Endpoint client;
  Endpoint proxy;

  /// Drop::truncated, or Drop::bad_header for another magic. What follows is the datagram's data.
  static Parsed<SimpleProxyHeader> parse(ByteView datagram);
  std::size_t write(Writer& writer) const;

  auto operator<=>(const SimpleProxyHeader&) const = default;
};

} // namespace slirpstack
