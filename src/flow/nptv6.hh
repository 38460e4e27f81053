#pragma once

#include "wire/address.hh"

#include <cstdint>
#include <string_view>
#include <variant>

namespace slirpstack {

/// Why an address inside a checksum-neutral prefix has none on the other side (RFC 6296).
enum class Unmappable : std::uint8_t
{
  subnet,       ///< 3.4: the subnet word is 0xffff, which stands for 0 in the sum
  interface_id, ///< 3.5: no word of the interface identifier can take the adjustment
};

[[nodiscard]] std::string_view unmappable_reason(Unmappable reason);

/// `address` with its first bits replaced by those of `to`; the rest is kept.
[[nodiscard]] IpAddress rewrite_prefix(const IpAddress& address, const Prefix& to);

/// The longest prefix that is translated checksum-neutrally: RFC 6296 3.5 adjusts the interface
/// identifier, which is the last 64 bits.
inline constexpr unsigned NPTV6_MAX_LENGTH_BITS = 64;

/// What has to be added to a word of an address to keep its sum: the sum of the one prefix less
/// that of the other, in one's complement, host order (RFC 6296 2.6). The bits behind the prefix
/// are the same in both, so only the prefixes count.
[[nodiscard]] std::uint16_t neutral_adjustment(const Prefix& from, const Prefix& to);

/// RFC 6296 2.6: the same, but one 16-bit word behind the prefix is changed so that the sum of the
/// whole address, and with it each transport checksum, stays. With prefixes of up to /48 it is the
/// subnet word, bits 48 to 63 (3.4); with longer ones the first word of the interface identifier
/// that is not 0xffff (3.5). Its own inverse with the prefixes exchanged. `from` holds `address`;
/// both prefixes are IPv6 and equally long, up to NPTV6_MAX_LENGTH_BITS.
[[nodiscard]] std::variant<IpAddress, Unmappable> translate_neutrally(const IpAddress& address,
                                                                      const Prefix& from,
                                                                      const Prefix& to);

} // namespace slirpstack
