#include "wire/icmp.hh"

#include "wire/checksum.hh"

namespace slirpstack {

Parsed<IcmpEcho> IcmpEcho::parse(Family family, ByteView message)
{
  const bool is_ipv4 = family == Family::ipv4;
  Reader reader(message);
  const std::uint8_t type = reader.u8();
  const std::uint8_t code = reader.u8();
  reader.skip(2);
  IcmpEcho echo;
  echo.is_reply = type == (is_ipv4 ? ICMP_ECHO_REPLY : ICMPV6_ECHO_REPLY);
  echo.identifier = reader.u16();
  echo.sequence = reader.u16();
  echo.data = reader.rest();
  if (reader.failed()) {
    return Drop::truncated;
  }
  if (!echo.is_reply && type != (is_ipv4 ? ICMP_ECHO_REQUEST : ICMPV6_ECHO_REQUEST)) {
    return Drop::unexpected_type;
  }
  if (code != 0) {
    return Drop::bad_header;
  }
  return echo;
}

std::size_t IcmpEcho::write(Writer& writer,
                            const IpAddress& source,
                            const IpAddress& destination) const
{
  const bool is_ipv4 = destination.is_ipv4();
  const std::uint8_t type = is_ipv4 ? (is_reply ? ICMP_ECHO_REPLY : ICMP_ECHO_REQUEST)
                                    : (is_reply ? ICMPV6_ECHO_REPLY : ICMPV6_ECHO_REQUEST);
  Checksum sum;
  if (!is_ipv4) {
    sum = pseudo_header(
      source, destination, PROTOCOL_ICMPV6, static_cast<std::uint32_t>(length_bytes()));
  }
  sum.add_u16(static_cast<std::uint16_t>(type << 8U));
  sum.add_u16(identifier);
  sum.add_u16(sequence);
  sum.add(data);
  const std::size_t before = writer.written();
  writer.u8(type);
  writer.u8(0);
  writer.u16(sum.finish());
  writer.u16(identifier);
  writer.u16(sequence);
  writer.bytes(data);
  return writer.written() - before;
}

} // namespace slirpstack
