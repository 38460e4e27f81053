#include "scenario/packets.hh"

#include "wire/ip.hh"
#include "wire/transport_checksum.hh"
#include "wire/udp.hh"

namespace slirpstack {

std::vector<std::uint8_t> ip_packet(std::uint8_t protocol,
                                    const IpAddress& from,
                                    const IpAddress& to,
                                    ByteView transport)
{
  const std::size_t header_bytes = from.is_ipv4() ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
  std::vector<std::uint8_t> bytes(header_bytes + transport.size());
  Writer writer(bytes);
  IpHeader ip;
  ip.source = from;
  ip.destination = to;
  ip.protocol = protocol;
  ip.header_length_bytes = static_cast<std::uint16_t>(header_bytes);
  ip.total_length_bytes = static_cast<std::uint32_t>(bytes.size());
  write_ip_header(writer, ip);
  writer.bytes(transport);
  fill_transport_checksum(ip, MutableBytes(bytes).subspan(header_bytes));
  return bytes;
}

std::vector<std::uint8_t> udp_packet(const Endpoint& from, const Endpoint& to, ByteView data)
{
  std::vector<std::uint8_t> bytes(UDP_HEADER_BYTES + data.size());
  Writer writer(bytes);
  UdpHeader{from.port, to.port, static_cast<std::uint16_t>(bytes.size()), 0}.write(writer);
  writer.bytes(data);
  return ip_packet(PROTOCOL_UDP, from.address, to.address, bytes);
}

std::vector<std::uint8_t> udp_packet(const Endpoint& from,
                                     const Endpoint& to,
                                     std::string_view text)
{
  return udp_packet(
    from, to, ByteView{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

} // namespace slirpstack
