#include "frame.hh"

#include "base/bytes.hh"
#include "wire/checksum.hh"
#include "wire/ethernet.hh"
#include "wire/transport_checksum.hh"
#include "wire/udp.hh"

#include <algorithm>

namespace slirpstack::test {

namespace {

constexpr std::size_t ROOM = 16384;

void write_transport(Writer& writer, const Packet& packet)
{
  if (packet.protocol == PROTOCOL_TCP) {
    TcpHeader tcp;
    tcp.source_port = packet.source.port;
    tcp.destination_port = packet.destination.port;
    tcp.flags = packet.tcp_flags;
    tcp.window = 4096;
    tcp.write(writer);
  } else if (packet.protocol == PROTOCOL_UDP) {
    const auto length = static_cast<std::uint16_t>(UDP_HEADER_BYTES + packet.data.size());
    UdpHeader{packet.source.port, packet.destination.port, length, 0}.write(writer);
  } else {
    writer.u8(packet.icmp_type);
    writer.u8(packet.icmp_code);
    writer.u16(0);
    writer.u16(packet.icmp_quote ? 0 : packet.source.port);
    writer.u16(packet.icmp_quote ? packet.icmp_mtu : 1);
  }
  writer.bytes(packet.icmp_quote ? *packet.icmp_quote : packet.data);
}

Bytes transport_of(const Packet& packet)
{
  Bytes transport(ROOM);
  Writer writer(transport);
  write_transport(writer, packet);
  transport.resize(writer.written());
  return transport;
}

void fill_header_checksum(Bytes& packet)
{
  const std::size_t header = std::size_t{packet[0] & 0xfU} * 4;
  packet[10] = packet[11] = 0;
  Checksum sum;
  sum.add(ByteView(packet).first(header));
  packet[10] = static_cast<std::uint8_t>(sum.finish() >> 8U);
  packet[11] = static_cast<std::uint8_t>(sum.finish());
}

} // namespace

Endpoint at(const char* endpoint)
{
  return Endpoint::parse(endpoint).value();
}

Bytes build(const Packet& packet)
{
  Bytes transport = transport_of(packet);
  IpHeader header;
  header.source = packet.source.address;
  header.destination = packet.destination.address;
  header.protocol = packet.protocol;
  header.hop_limit = packet.hop_limit;
  header.identification = packet.identification;
  header.dont_fragment = packet.dont_fragment;
  header.total_length_bytes
    = static_cast<std::uint32_t>(IPV4_HEADER_BYTES + packet.options.size() + transport.size());
  if (packet.protocol != PROTOCOL_UDP || packet.has_udp_checksum) {
    fill_transport_checksum(header, transport);
  }
  Bytes result(IPV4_HEADER_BYTES);
  Writer ip(result);
  write_ip_header(ip, header);
  result[0] = static_cast<std::uint8_t>(0x45 + packet.options.size() / 4);
  result.insert(result.end(), packet.options.begin(), packet.options.end());
  fill_header_checksum(result);
  result.insert(result.end(), transport.begin(), transport.end());
  return result;
}

Bytes fragment(const Bytes& packet, std::size_t offset, std::size_t length, bool more)
{
  Bytes result = packet;
  const auto payload = result.begin() + IPV4_HEADER_BYTES;
  result.erase(payload, payload + static_cast<std::ptrdiff_t>(offset));
  result.resize(IPV4_HEADER_BYTES + length);
  result[2] = static_cast<std::uint8_t>(result.size() >> 8U);
  result[3] = static_cast<std::uint8_t>(result.size());
  const std::size_t place = offset / 8 + (more ? 0x2000U : 0U);
  result[6] = static_cast<std::uint8_t>(place >> 8U);
  result[7] = static_cast<std::uint8_t>(place);
  fill_header_checksum(result);
  return result;
}

Bytes build_v6(const Endpoint& source,
               const Endpoint& destination,
               std::optional<std::uint8_t> type,
               const Bytes& data,
               std::uint8_t hop_limit)
{
  Packet packet = between(source, destination, type ? PROTOCOL_ICMPV6 : PROTOCOL_UDP);
  packet.hop_limit = hop_limit;
  packet.data = data;
  if (type) {
    packet.icmp_type = *type;
    packet.icmp_quote = data;
  }
  return build_v6(packet);
}

Bytes build_v6(const Packet& packet, const std::vector<Extension>& extensions)
{
  Bytes transport = transport_of(packet);
  IpHeader header;
  header.source = packet.source.address;
  header.destination = packet.destination.address;
  header.protocol = packet.protocol;
  header.hop_limit = packet.hop_limit;
  if (packet.protocol != PROTOCOL_UDP || packet.has_udp_checksum) {
    fill_transport_checksum(header, transport);
  }
  Bytes payload;
  for (std::size_t i = 0; i < extensions.size(); ++i) {
    const std::size_t start = payload.size();
    payload.insert(payload.end(), extensions[i].bytes.begin(), extensions[i].bytes.end());
    payload[start] = i + 1 < extensions.size() ? extensions[i + 1].protocol : packet.protocol;
  }
  payload.insert(payload.end(), transport.begin(), transport.end());
  header.protocol = extensions.empty() ? packet.protocol : extensions.front().protocol;
  header.total_length_bytes = static_cast<std::uint32_t>(IPV6_HEADER_BYTES + payload.size());
  Bytes result(header.total_length_bytes);
  Writer writer(result);
  write_ip_header(writer, header);
  writer.bytes(payload);
  return result;
}

Extension fragment_header(const Packet& packet, std::size_t offset, bool more)
{
  Extension header{PROTOCOL_FRAGMENT, Bytes(IPV6_FRAGMENT_HEADER_BYTES)};
  Writer writer(header.bytes);
  writer.zeros(2);
  writer.u16(static_cast<std::uint16_t>(offset + (more ? 1 : 0)));
  writer.u32(packet.identification);
  return header;
}

Bytes fragment_v6(const Packet& packet, std::size_t offset, std::size_t length, bool more)
{
  Bytes result = build_v6(packet, {fragment_header(packet, offset, more)});
  const auto payload = result.begin() + IPV6_HEADER_BYTES + IPV6_FRAGMENT_HEADER_BYTES;
  result.erase(payload, payload + static_cast<std::ptrdiff_t>(offset));
  result.resize(IPV6_HEADER_BYTES + IPV6_FRAGMENT_HEADER_BYTES + length);
  Writer(MutableBytes(result).subspan(4))
    .u16(static_cast<std::uint16_t>(IPV6_FRAGMENT_HEADER_BYTES + length));
  return result;
}

Bytes frame(const Frame& around, const Bytes& packet)
{
  const bool is_ipv6 = packet[0] >> 4U == 6;
  const std::uint16_t ethertype = is_ipv6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4;
  Bytes result(EthernetHeader::SIZE_BYTES + (around.vlan ? 4 : 0) + packet.size());
  Writer writer(result);
  writer.bytes(around.destination.bytes);
  writer.bytes(around.source.bytes);
  if (around.vlan) {
    writer.u16(0x8100);
    writer.u16(*around.vlan);
  }
  writer.u16(ethertype);
  writer.bytes(packet);
  return result;
}

} // namespace slirpstack::test
