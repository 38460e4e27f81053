#pragma once

#include "base/bytes.hh"
#include "wire/drop.hh"

#include <optional>
#include <string>

namespace slirpstack {

inline constexpr std::size_t DNS_HEADER_BYTES = 12;
inline constexpr std::uint16_t DNS_FLAG_RESPONSE = 0x8000;
inline constexpr std::uint16_t DNS_FLAG_TRUNCATED = 0x0200;
inline constexpr std::uint16_t DNS_FLAG_RECURSION_DESIRED = 0x0100;
inline constexpr std::uint16_t DNS_FLAG_RECURSION_AVAILABLE = 0x0080;

enum class DnsRcode : std::uint8_t
{
  format_error = 1,
  server_failure = 2,
  not_implemented = 4,
  refused = 5,
};

/// A question to a resolver (RFC 1035, 4.1), in host order.
///
///     0                   1
///     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
///    ┌───────────────────────────────┐
///    │              ID               │
///    ├─┬───────┬─┬─┬─┬─┬─────┬───────┤
///    │Q│opcode │A│T│R│R│  Z  │ rcode │
///    ├─┴───────┴─┴─┴─┴─┴─────┴───────┤
///    │    questions (QDCOUNT)        │
///    ├───────────────────────────────┤
///    │    ANCOUNT, NSCOUNT, ARCOUNT  │
///    ├───────────────────────────────┤
///    │  QNAME … 0, QTYPE, QCLASS     │
///    └───────────────────────────────┘
struct DnsQuery
{
  std::uint16_t id = 0;
  std::uint16_t flags = 0; ///< the second word as it stands
  std::uint16_t type = 0;
  ByteView question; ///< name, type and class; lies in the message parsed

  /// A query with exactly one question (RFC 9619), whose name is at most 255 bytes and not
  /// compressed. What follows the question is not looked at. A response is Drop::unexpected_type.
  static Parsed<DnsQuery> parse(ByteView message);

  /// The name with dots, for logs: odd bytes as \DDD (RFC 1035 5.1), the root as ".".
  [[nodiscard]] std::string name() const;
};

/// The longest message that write_dns_failure writes.
inline constexpr std::size_t DNS_FAILURE_MAX_BYTES = DNS_HEADER_BYTES + 255 + 4;

/// Writes the answer that says no: the query's id, opcode, RD and first question, QR and RA set,
/// no records (EDNS is not answered; RFC 6891 7 allows it). Returns the bytes written.
std::size_t write_dns_failure(Writer& writer, const DnsQuery& query, DnsRcode rcode);

/// Whether `response` answers `query`: same id, QR set, the same question but for the case of its
/// letters (RFC 5452 9.1). Nothing else of the response is looked at.
[[nodiscard]] bool match_response(ByteView query, ByteView response);

} // namespace slirpstack
