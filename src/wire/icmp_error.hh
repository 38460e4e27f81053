#pragma once

#include "wire/icmp.hh"
#include "wire/small_packet.hh"

#include <optional>

namespace slirpstack {

/// An error that both ICMPs can report; type/code in IPv4 and in IPv6.
enum class IcmpErrorKind : std::uint8_t
{
  net_unreachable,             ///< 3/0, no route 1/0
  host_unreachable,            ///< 3/1, address unreachable 1/3
  protocol_unreachable,        ///< 3/2, unrecognised next header 4/1
  port_unreachable,            ///< 3/3, 1/4
  fragmentation_needed,        ///< 3/4, packet too big 2/0
  administratively_prohibited, ///< 3/13, 1/1
  time_exceeded,               ///< 11/0, 3/0
  reassembly_time_exceeded,    ///< 11/1, 3/1
};

struct IcmpTypeCode
{
  std::uint8_t type = 0;
  std::uint8_t code = 0;
  auto operator<=>(const IcmpTypeCode&) const = default;
};

[[nodiscard]] IcmpTypeCode icmp_type_code(Family family, IcmpErrorKind kind);

/// The kind that a type and code mean, the nearest one where several codes say the same; nothing
/// for a message that is no such error. This carries an error of one family over to the other.
[[nodiscard]] std::optional<IcmpErrorKind> icmp_error_kind(Family family, IcmpTypeCode type_code);

/// An ICMP error as it came, and what it quotes of the packet that it is about.
struct IcmpErrorMessage
{
  IcmpTypeCode type_code;
  std::uint32_t rest = 0; ///< the second word, host order: the MTU, a pointer, or 0
  IpHeader quoted;        ///< its total length is that of the packet, not of the quote
  ByteView quote;         ///< from the quoted IP header on; lies in the message that was parsed

  /// `message` is exactly the IP payload. Drop::unexpected_type for what is no error. A quote may
  /// end anywhere behind its IP header. The message's checksum is not verified (see
  /// verify_transport_checksum); the quote's cannot be.
  static Parsed<IcmpErrorMessage> parse(Family family, ByteView message);

  /// The first bytes of the quoted transport header, at least eight (RFC 792, RFC 4443 2.4 c), or
  /// nothing if it is cut shorter.
  [[nodiscard]] ByteView transport() const;
};

/// Whether an ICMP error may answer `packet` (RFC 1122 3.2.2, RFC 4443 2.4 e): not to an ICMP
/// error or redirect, not to a multicast or broadcast destination, not to a source that names no
/// single host, not to a fragment other than the first.
[[nodiscard]] bool may_answer_with_icmp_error(const IpHeader& header, ByteView packet);

/// The error that answers `original_packet`, as a whole IP packet from `source` to the original's
/// source. It quotes as much of the original as fits into 576 bytes (IPv4, RFC 1812 4.3.2.3) or
/// 1280 (IPv6, RFC 4443 2.4 c). `mtu` is told with fragmentation_needed and otherwise ignored.
/// Empty if the original's header cannot be read or `source` is of the other family. Ask
/// may_answer_with_icmp_error first.
[[nodiscard]] SmallPacket icmp_error(IcmpErrorKind kind,
                                     std::uint32_t mtu,
                                     const IpAddress& source,
                                     ByteView original_packet);

/// The same from a type and code of the original's family, as the host's error queue reports
/// them; `rest` is the second word of the message, host order (the MTU, a pointer, or 0).
[[nodiscard]] SmallPacket icmp_error(std::uint8_t type,
                                     std::uint8_t code,
                                     std::uint32_t rest,
                                     const IpAddress& source,
                                     ByteView original_packet);

} // namespace slirpstack
