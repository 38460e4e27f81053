#include "wire/small_packet.hh"

#include "wire/transport_checksum.hh"

namespace slirpstack {

SmallPacket SmallPacket::ip(IpHeader header, ByteView payload)
{
  const bool is_ipv4 = header.family() == Family::ipv4;
  header.header_length_bytes = is_ipv4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
  header.total_length_bytes
    = static_cast<std::uint32_t>(header.header_length_bytes + payload.size());
  SmallPacket packet;
  packet.resize(header.total_length_bytes);
  Writer writer(packet.buffer());
  write_ip_header(writer, header);
  writer.bytes(payload);
  fill_transport_checksum(header,
                          packet.buffer().subspan(header.header_length_bytes, payload.size()));
  return packet;
}

} // namespace slirpstack
