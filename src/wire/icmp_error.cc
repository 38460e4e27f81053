#include "wire/icmp_error.hh"

namespace slirpstack {

namespace {

struct Meaning
{
  IcmpErrorKind kind;
  IcmpTypeCode type_code;
};

using enum IcmpErrorKind;

// The first entry of a kind is the one we send. RFC 792, RFC 1122 3.2.2.1, RFC 1812 5.2.7.1.
constexpr std::array<Meaning, 18> IPV4_MEANINGS{{
  {net_unreachable, {3, 0}},
  {host_unreachable, {3, 1}},
  {protocol_unreachable, {3, 2}},
  {port_unreachable, {3, 3}},
  {fragmentation_needed, {3, 4}},
  {administratively_prohibited, {3, 13}},
  {time_exceeded, {11, 0}},
  {reassembly_time_exceeded, {11, 1}},
  {net_unreachable, {3, 5}},              // source route failed
  {net_unreachable, {3, 6}},              // network unknown
  {host_unreachable, {3, 7}},             // host unknown
  {host_unreachable, {3, 8}},             // source host isolated
  {administratively_prohibited, {3, 9}},  // network prohibited
  {administratively_prohibited, {3, 10}}, // host prohibited
  {net_unreachable, {3, 11}},             // for this type of service
  {host_unreachable, {3, 12}},            // for this type of service
  {administratively_prohibited, {3, 14}}, // precedence violation
  {administratively_prohibited, {3, 15}}, // precedence cutoff
}};

// RFC 4443, 3.
constexpr std::array<Meaning, 11> IPV6_MEANINGS{{
  {net_unreachable, {1, 0}},
  {host_unreachable, {1, 3}},
  {protocol_unreachable, {4, 1}},
  {port_unreachable, {1, 4}},
  {fragmentation_needed, {2, 0}},
  {administratively_prohibited, {1, 1}},
  {time_exceeded, {3, 0}},
  {reassembly_time_exceeded, {3, 1}},
  {host_unreachable, {1, 2}},            // beyond the scope of the source address
  {administratively_prohibited, {1, 5}}, // source address failed policy
  {administratively_prohibited, {1, 6}}, // reject route
}};

std::span<const Meaning> meanings(Family family)
{
  return family == Family::ipv4 ? std::span<const Meaning>(IPV4_MEANINGS)
                                : std::span<const Meaning>(IPV6_MEANINGS);
}

bool is_icmp_error(Family family, std::uint8_t type)
{
  if (family == Family::ipv6) {
    return type < 128 || type == ICMPV6_REDIRECT;
  }
  return type == ICMP_DESTINATION_UNREACHABLE || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT
         || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETER_PROBLEM;
}

/// RFC 1122 3.2.2: not zero, loopback, broadcast, multicast or class E.
bool names_one_host(const IpAddress& source)
{
  if (source.is_ipv4()) {
    const std::uint8_t net = source.bytes()[0];
    return net != 0 && net != 127 && net < 224;
  }
  return !source.is_unspecified() && !source.is_loopback() && !source.is_multicast();
}

/// What the quoted packet says of itself. Its tail may be missing, so IpHeader would refuse it.
struct Original
{
  Family family = Family::ipv4;
  IpAddress source;
  ByteView bytes; ///< without link-layer padding
};

std::optional<Original> read_original(ByteView packet)
{
  const unsigned version = packet.empty() ? 0 : packet[0] >> 4U;
  Reader reader(packet);
  Original original;
  std::size_t length_bytes = 0;
  if (version == 4) {
    reader.skip(2);
    length_bytes = reader.u16();
    reader.skip(8);
    original.source = IpAddress(reader.bytes<4>());
    reader.skip(4);
  } else if (version == 6) {
    reader.skip(4);
    length_bytes = IPV6_HEADER_BYTES + reader.u16();
    reader.skip(2);
    original.source = IpAddress(reader.bytes<16>());
    reader.skip(16);
  } else {
    return std::nullopt;
  }
  if (reader.failed()) {
    return std::nullopt;
  }
  original.family = original.source.family();
  original.bytes = packet.first(std::min(length_bytes, packet.size()));
  return original;
}

} // namespace

IcmpTypeCode icmp_type_code(Family family, IcmpErrorKind kind)
{
  const auto all = meanings(family);
  const auto found = std::ranges::find(all, kind, &Meaning::kind);
  assert(found != all.end());
  return found->type_code;
}

std::optional<IcmpErrorKind> icmp_error_kind(Family family, IcmpTypeCode type_code)
{
  const auto all = meanings(family);
  const auto found = std::ranges::find(all, type_code, &Meaning::type_code);
  return found == all.end() ? std::nullopt : std::optional(found->kind);
}

Parsed<IcmpErrorMessage> IcmpErrorMessage::parse(Family family, ByteView message)
{
  IcmpErrorMessage error;
  Reader reader(message);
  error.type_code.type = reader.u8();
  error.type_code.code = reader.u8();
  reader.skip(2);
  error.rest = reader.u32();
  if (reader.failed()) {
    return Drop::truncated;
  }
  // A redirect reports no loss, and ICMPv6's quotes among its options (RFC 4861 4.5).
  const std::uint8_t redirect = family == Family::ipv4 ? ICMP_REDIRECT : ICMPV6_REDIRECT;
  if (!is_icmp_error(family, error.type_code.type) || error.type_code.type == redirect) {
    return Drop::unexpected_type;
  }
  const Parsed<IpHeader> quoted = IpHeader::parse_quoted(reader.rest());
  if (!quoted) {
    return quoted.drop();
  }
  if (quoted->family() != family) {
    return Drop::bad_version;
  }
  error.quoted = *quoted;
  error.quote
    = reader.rest().first(std::min<std::size_t>(reader.rest().size(), quoted->total_length_bytes));
  return error;
}

ByteView IcmpErrorMessage::transport() const
{
  constexpr std::size_t LEAST_BYTES = 8;
  if (quoted.fragment_offset_bytes != 0
      || quote.size() < quoted.header_length_bytes + LEAST_BYTES) {
    return {};
  }
  return quote.subspan(quoted.header_length_bytes);
}

bool may_answer_with_icmp_error(const IpHeader& header, ByteView packet)
{
  static const IpAddress BROADCAST = IpAddress::ipv4(0xffffffff);
  if (header.fragment_offset_bytes != 0 || header.destination.is_multicast()
      || header.destination == BROADCAST || !names_one_host(header.source)) {
    return false;
  }
  const bool is_ipv4 = header.family() == Family::ipv4;
  if (header.protocol == (is_ipv4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6)) {
    return packet.size() > header.header_length_bytes
           && !is_icmp_error(header.family(), packet[header.header_length_bytes]);
  }
  // A first fragment that ends among its extension headers may hide an ICMPv6 error.
  return is_ipv4 || !header.is_fragment() || header.protocol != PROTOCOL_DESTINATION_OPTIONS;
}

SmallPacket icmp_error(IcmpErrorKind kind,
                       std::uint32_t mtu,
                       const IpAddress& source,
                       ByteView original_packet)
{
  const IcmpTypeCode type_code = icmp_type_code(source.family(), kind);
  std::uint32_t rest = 0;
  if (kind == fragmentation_needed) {
    rest = source.is_ipv4() ? std::min<std::uint32_t>(mtu, 0xffff) : mtu; // RFC 1191 4: 16 bits
  }
  if (kind == protocol_unreachable && source.is_ipv6()) {
    const Parsed<IpHeader> header = IpHeader::parse(original_packet);
    rest = header ? header->protocol_offset_bytes : 6; // RFC 4443 3.4: at the next header field
  }
  return icmp_error(type_code.type, type_code.code, rest, source, original_packet);
}

SmallPacket icmp_error(std::uint8_t type,
                       std::uint8_t code,
                       std::uint32_t rest,
                       const IpAddress& source,
                       ByteView original_packet)
{
  const std::optional<Original> original = read_original(original_packet);
  if (!original || original->family != source.family()) {
    return {};
  }
  const bool is_ipv4 = source.is_ipv4();
  const std::size_t room = is_ipv4
                             ? IPV4_MINIMUM_REASSEMBLY_BYTES - IPV4_HEADER_BYTES - ICMP_HEADER_BYTES
                             : IPV6_MINIMUM_MTU_BYTES - IPV6_HEADER_BYTES - ICMP_HEADER_BYTES;
  std::array<std::uint8_t, SmallPacket::CAPACITY> message;
  Writer writer(message);
  writer.u8(type);
  writer.u8(code);
  writer.u16(0);
  writer.u32(rest);
  writer.bytes(original->bytes.first(std::min(original->bytes.size(), room)));
  IpHeader header;
  header.source = source;
  header.destination = original->source;
  header.protocol = is_ipv4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6;
  header.traffic_class = is_ipv4 ? 0xc0 : 0; // RFC 1812 4.3.2.5: precedence 6
  header.dont_fragment = true;
  return SmallPacket::ip(header, ByteView(message).first(writer.written()));
}

} // namespace slirpstack
