#include "wire/tcp.hh"

namespace slirpstack {

namespace {

constexpr std::uint8_t OPTION_END = 0;
constexpr std::uint8_t OPTION_NO_OPERATION = 1;
constexpr std::uint8_t OPTION_MAXIMUM_SEGMENT_SIZE = 2;
constexpr std::uint8_t OPTION_WINDOW_SCALE = 3;
constexpr std::uint8_t OPTION_SACK_PERMITTED = 4;
constexpr std::uint8_t OPTION_SACK = 5;
constexpr std::uint8_t OPTION_TIMESTAMPS = 8;

/// Whether an option of that kind may have that length, its two leading bytes counted.
bool is_right_length(std::uint8_t kind, std::size_t length_bytes)
{
  switch (kind) {
    case OPTION_MAXIMUM_SEGMENT_SIZE:
      return length_bytes == 4;
    case OPTION_WINDOW_SCALE:
      return length_bytes == 3;
    case OPTION_SACK_PERMITTED:
      return length_bytes == 2;
    case OPTION_SACK:
      return length_bytes >= 10 && (length_bytes - 2) % 8 == 0;
    case OPTION_TIMESTAMPS:
      return length_bytes == 10;
    default:
      return length_bytes >= 2;
  }
}

void take_syn_option(std::uint8_t kind, ByteView value, TcpHeader& header)
{
  if (kind == OPTION_MAXIMUM_SEGMENT_SIZE) {
    header.maximum_segment_size = Reader(value).u16();
  } else if (kind == OPTION_WINDOW_SCALE) {
    header.window_scale = Reader(value).u8();
  } else if (kind == OPTION_SACK_PERMITTED) {
    header.has_sack_permitted = true;
  }
}

/// Walks the options to their end; false if one is malformed.
bool read_options(ByteView options, TcpHeader& header)
{
  Reader reader(options);
  while (!reader.rest().empty()) {
    const std::uint8_t kind = reader.u8();
    if (kind == OPTION_END) {
      return true;
    }
    if (kind == OPTION_NO_OPERATION) {
      continue;
    }
    const std::size_t length_bytes = reader.u8();
    if (!is_right_length(kind, length_bytes)) {
      return false;
    }
    const ByteView value = reader.take(length_bytes - 2);
    if (reader.failed()) {
      return false;
    }
    if (header.has(TCP_FLAG_SYN)) {
      take_syn_option(kind, value, header);
    }
  }
  return true;
}

/// Writes the options that `header` has, padded to whole words, and returns their length.
std::size_t write_options(Writer& writer, const TcpHeader& header)
{
  if (header.maximum_segment_size) {
    writer.u8(OPTION_MAXIMUM_SEGMENT_SIZE);
    writer.u8(4);
    writer.u16(*header.maximum_segment_size);
  }
  if (header.has_sack_permitted) {
    writer.u8(OPTION_SACK_PERMITTED);
    writer.u8(2);
  }
  if (header.window_scale) {
    writer.u8(OPTION_WINDOW_SCALE);
    writer.u8(3);
    writer.u8(*header.window_scale);
  }
  while (writer.written() % 4 != 0) {
    writer.u8(OPTION_NO_OPERATION);
  }
  return writer.written();
}

} // namespace

Parsed<TcpHeader> TcpHeader::parse(ByteView segment)
{
  TcpHeader header;
  Reader reader(segment);
  header.source_port = reader.u16();
  header.destination_port = reader.u16();
  header.sequence = reader.u32();
  header.acknowledgment = reader.u32();
  header.header_length_bytes = static_cast<std::uint16_t>((reader.u8() >> 4U) * 4);
  header.flags = reader.u8();
  header.window = reader.u16();
  header.checksum = reader.u16();
  header.urgent_pointer = reader.u16();
  if (reader.failed() || header.header_length_bytes > segment.size()) {
    return Drop::truncated;
  }
  if (header.header_length_bytes < TCP_HEADER_BYTES) {
    return Drop::bad_length;
  }
  if (!read_options(reader.take(header.header_length_bytes - TCP_HEADER_BYTES), header)) {
    return Drop::bad_option;
  }
  return header;
}

std::uint32_t TcpHeader::sequence_length(std::size_t payload_bytes) const
{
  return static_cast<std::uint32_t>(payload_bytes) + (has(TCP_FLAG_SYN) ? 1U : 0U)
         + (has(TCP_FLAG_FIN) ? 1U : 0U);
}

std::size_t TcpHeader::write(Writer& writer) const
{
  std::array<std::uint8_t, 12> options{};
  Writer option_writer(options);
  const std::size_t option_bytes = write_options(option_writer, *this);
  const std::size_t before = writer.written();
  writer.u16(source_port);
  writer.u16(destination_port);
  writer.u32(sequence);
  writer.u32(acknowledgment);
  writer.u8(static_cast<std::uint8_t>((TCP_HEADER_BYTES + option_bytes) / 4 << 4U));
  writer.u8(flags);
  writer.u16(window);
  writer.u16(checksum);
  writer.u16(urgent_pointer);
  writer.bytes(ByteView(options).first(option_bytes));
  return writer.written() - before;
}

std::optional<SmallPacket> reset_for(const IpHeader& ip,
                                     const TcpHeader& tcp,
                                     std::size_t payload_bytes)
{
  if (tcp.has(TCP_FLAG_RST)) {
    return std::nullopt;
  }
  TcpHeader reset;
  reset.source_port = tcp.destination_port;
  reset.destination_port = tcp.source_port;
  if (tcp.has(TCP_FLAG_ACK)) {
    reset.flags = TCP_FLAG_RST;
    reset.sequence = tcp.acknowledgment;
  } else {
    reset.flags = TCP_FLAG_RST | TCP_FLAG_ACK;
    reset.acknowledgment = tcp.sequence + tcp.sequence_length(payload_bytes);
  }
  std::array<std::uint8_t, TCP_HEADER_BYTES> segment{};
  Writer writer(segment);
  reset.write(writer);
  IpHeader header;
  header.source = ip.destination;
  header.destination = ip.source;
  header.protocol = PROTOCOL_TCP;
  header.dont_fragment = true;
  return SmallPacket::ip(header, segment);
}

} // namespace slirpstack
