#pragma once

#include "wire/address.hh"
#include "wire/drop.hh"

#include <optional>

namespace slirpstack {

/// The header that a proxy puts before a TCP connection's data, to say whose it is: the PROXY
/// protocol of HAProxy (doc/proxy-protocol.txt there), version 1 (a line of text) or 2 (binary).
///
///     v1   PROXY TCP4 192.0.2.1 198.51.100.1 40000 443\r\n
///
///     v2    0                   1                   2                   3
///           0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
///          ┌───────────────────────────────────────────────────────────────┐
///          │   0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A (the signature)         │
///          ├───────┬───────┬───────┬───────┬───────────────────────────────┤
///          │ver 2  │command│family │ proto │ length of what follows        │
///          ├───────┴───────┴───────┴───────┴───────────────────────────────┤
///          │   source address, destination address, ports, TLVs            │
///          └───────────────────────────────────────────────────────────────┘
struct ProxyHeader
{
  enum class Version : std::uint8_t
  {
    text = 1,
    binary = 2,
  };
  /// The longest that `write` makes: a v1 line with two IPv6 addresses (section 2.1).
  static constexpr std::size_t MAX_WRITTEN_BYTES = 107;
  /// The longest that `parse` takes: a v2 header with TLVs. A longer one is Drop::bad_length.
  static constexpr std::size_t MAX_BYTES = 4096;

  Version version = Version::text;
  /// The client, and the address and port that it had asked for; nothing where the proxy does not
  /// know (UNKNOWN) or speaks for itself (LOCAL). Version 1 may have addresses of any family,
  /// whatever its keyword says.
  std::optional<Endpoint> source;
  std::optional<Endpoint> destination;
  /// Of the header; the connection's data follow.
  std::size_t length_bytes = 0;

  /// The header at the front of `bytes`. Drop::truncated: it may become one with more bytes; any
  /// other drop: it will not.
  static Parsed<ProxyHeader> parse(ByteView bytes);

  /// Writes `source` and `destination`, or that they are unknown if either is missing or their
  /// families differ. `length_bytes` does not matter. Returns the bytes written.
  std::size_t write(Writer& writer) const;
};

} // namespace slirpstack
