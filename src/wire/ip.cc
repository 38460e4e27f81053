#include "wire/ip.hh"

#include "wire/checksum.hh"

namespace slirpstack {

namespace {

/// RFC 8200 4.1 lists seven for a full chain; more is somebody making us walk.
constexpr unsigned MAXIMUM_EXTENSION_HEADERS = 8;

constexpr std::uint16_t IPV4_DONT_FRAGMENT = 0x4000;
constexpr std::uint16_t IPV4_MORE_FRAGMENTS = 0x2000;
constexpr std::uint16_t IPV4_OFFSET_MASK = 0x1fff;
constexpr std::uint16_t IPV6_OFFSET_MASK = 0xfff8;
constexpr std::uint16_t IPV6_MORE_FRAGMENTS = 0x0001;

/// Whether the end of a packet has to be there.
enum class Tail : std::uint8_t
{
  present,
  may_be_cut,
};

Parsed<IpHeader> parse_ipv4(ByteView packet, HeaderChecksum checksum, Tail tail)
{
  IpHeader header;
  Reader reader(packet);
  header.header_length_bytes = static_cast<std::uint16_t>((reader.u8() & 0x0fU) * 4);
  header.traffic_class = reader.u8();
  header.total_length_bytes = reader.u16();
  header.identification = reader.u16();
  const std::uint16_t fragment = reader.u16();
  header.hop_limit = reader.u8();
  header.protocol = reader.u8();
  reader.skip(2); // the checksum, verified below
  header.source = IpAddress(reader.bytes<4>());
  header.destination = IpAddress(reader.bytes<4>());
  if (reader.failed() || (tail == Tail::present && header.total_length_bytes > packet.size())) {
    return Drop::truncated;
  }
  if (header.header_length_bytes < IPV4_HEADER_BYTES
      || header.header_length_bytes > header.total_length_bytes) {
    return Drop::bad_length;
  }
  if (header.header_length_bytes > packet.size()) {
    return Drop::truncated;
  }
  if (checksum == HeaderChecksum::verify) {
    Checksum sum;
    sum.add(packet.first(header.header_length_bytes));
    if (sum.finish() != 0) {
      return Drop::bad_checksum;
    }
  }
  header.dont_fragment = (fragment & IPV4_DONT_FRAGMENT) != 0;
  header.more_fragments = (fragment & IPV4_MORE_FRAGMENTS) != 0;
  header.fragment_offset_bytes = static_cast<std::uint16_t>((fragment & IPV4_OFFSET_MASK) * 8);
  header.unfragmentable_length_bytes = header.header_length_bytes;
  header.protocol_offset_bytes = 9;
  return header;
}

bool is_extension(std::uint8_t protocol)
{
  return protocol == PROTOCOL_HOP_BY_HOP || protocol == PROTOCOL_ROUTING
         || protocol == PROTOCOL_FRAGMENT || protocol == PROTOCOL_DESTINATION_OPTIONS;
}

/// Takes the fragment header's fields; `reader` stands behind its next header field.
std::optional<Drop> read_fragment_header(Reader& reader, IpHeader& header)
{
  if (header.unfragmentable_length_bytes != 0) {
    return Drop::bad_header; // a second one
  }
  reader.skip(1);
  const std::uint16_t offset = reader.u16();
  header.identification = reader.u32();
  header.fragment_offset_bytes = offset & IPV6_OFFSET_MASK;
  header.more_fragments = (offset & IPV6_MORE_FRAGMENTS) != 0;
  header.unfragmentable_length_bytes = header.header_length_bytes;
  return std::nullopt;
}

/// Skips an options or routing header; `reader` stands behind its next header field.
std::optional<Drop> skip_extension(Reader& reader, const IpHeader& header)
{
  if (header.protocol == PROTOCOL_HOP_BY_HOP && header.header_length_bytes != IPV6_HEADER_BYTES) {
    return Drop::bad_header; // RFC 8200 4.1: only right behind the IPv6 header
  }
  const std::size_t length_bytes = (std::size_t{reader.u8()} + 1) * 8;
  reader.skip(1);
  const std::uint8_t segments_left = reader.u8();
  if (header.protocol == PROTOCOL_ROUTING && segments_left != 0) {
    return Drop::bad_header;
  }
  reader.skip(length_bytes - 4);
  return std::nullopt;
}

/// Moves `header` behind the extension header that it names as its protocol.
std::optional<Drop> step(ByteView packet, IpHeader& header)
{
  Reader reader(packet.subspan(header.header_length_bytes));
  const std::size_t before = reader.rest().size();
  const std::uint8_t next_header = reader.u8();
  const std::optional<Drop> reason = header.protocol == PROTOCOL_FRAGMENT
                                       ? read_fragment_header(reader, header)
                                       : skip_extension(reader, header);
  if (reader.failed()) {
    return Drop::truncated;
  }
  header.protocol = next_header;
  header.protocol_offset_bytes = header.header_length_bytes;
  header.header_length_bytes
    = static_cast<std::uint16_t>(header.header_length_bytes + before - reader.rest().size());
  return reason;
}

Parsed<IpHeader> parse_ipv6(ByteView packet, Tail tail)
{
  IpHeader header;
  Reader reader(packet);
  header.traffic_class = static_cast<std::uint8_t>(reader.u32() >> 20U);
  header.total_length_bytes = std::uint32_t{IPV6_HEADER_BYTES} + reader.u16();
  header.protocol = reader.u8();
  header.hop_limit = reader.u8();
  header.source = IpAddress(reader.bytes<16>());
  header.destination = IpAddress(reader.bytes<16>());
  if (reader.failed() || (tail == Tail::present && header.total_length_bytes > packet.size())) {
    return Drop::truncated;
  }
  const ByteView stated
    = packet.first(std::min<std::size_t>(packet.size(), header.total_length_bytes));
  header.dont_fragment = true;
  header.header_length_bytes = IPV6_HEADER_BYTES;
  header.protocol_offset_bytes = 6;
  for (unsigned count = 0; is_extension(header.protocol) && !header.is_fragment(); ++count) {
    if (count == MAXIMUM_EXTENSION_HEADERS) {
      return Drop::bad_header;
    }
    if (const auto reason = step(stated, header)) {
      return *reason;
    }
  }
  if (!header.is_fragment()) {
    header.unfragmentable_length_bytes = header.header_length_bytes;
  }
  return header;
}

Parsed<IpHeader> parse_either(ByteView packet, HeaderChecksum checksum, Tail tail)
{
  if (packet.empty()) {
    return Drop::truncated;
  }
  switch (packet[0] >> 4U) {
    case 4:
      return parse_ipv4(packet, checksum, tail);
    case 6:
      return parse_ipv6(packet, tail);
    default:
      return Drop::bad_version;
  }
}

void write_ipv4_header(Writer& writer, const IpHeader& header)
{
  std::array<std::uint8_t, IPV4_HEADER_BYTES> bytes{};
  unsigned fragment = header.fragment_offset_bytes / 8U;
  fragment |= header.dont_fragment ? IPV4_DONT_FRAGMENT : 0U;
  fragment |= header.more_fragments ? IPV4_MORE_FRAGMENTS : 0U;
  Writer fields(bytes);
  fields.u8(0x45);
  fields.u8(header.traffic_class);
  fields.u16(static_cast<std::uint16_t>(header.total_length_bytes));
  fields.u16(static_cast<std::uint16_t>(header.identification));
  fields.u16(static_cast<std::uint16_t>(fragment));
  fields.u8(header.hop_limit);
  fields.u8(header.protocol);
  fields.u16(0);
  fields.bytes(header.source.bytes());
  fields.bytes(header.destination.bytes());
  Checksum sum;
  sum.add(bytes);
  Writer(MutableBytes(bytes).subspan(10)).u16(sum.finish());
  writer.bytes(bytes);
}

void write_ipv6_header(Writer& writer, const IpHeader& header)
{
  writer.u32(0x60000000U | std::uint32_t{header.traffic_class} << 20U);
  writer.u16(static_cast<std::uint16_t>(header.total_length_bytes - IPV6_HEADER_BYTES));
  writer.u8(header.protocol);
  writer.u8(header.hop_limit);
  writer.bytes(header.source.bytes());
  writer.bytes(header.destination.bytes());
}

} // namespace

Parsed<IpHeader> IpHeader::parse(ByteView packet, HeaderChecksum checksum)
{
  return parse_either(packet, checksum, Tail::present);
}

Parsed<IpHeader> IpHeader::parse_quoted(ByteView quote)
{
  return parse_either(quote, HeaderChecksum::verify, Tail::may_be_cut);
}

std::size_t write_ip_header(Writer& writer, const IpHeader& header)
{
  const std::size_t before = writer.written();
  if (header.destination.is_ipv4()) {
    write_ipv4_header(writer, header);
  } else {
    write_ipv6_header(writer, header);
  }
  return writer.written() - before;
}

} // namespace slirpstack
