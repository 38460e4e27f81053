#include "wire/udp.hh"

namespace slirpstack {

Parsed<UdpHeader> UdpHeader::parse(ByteView datagram)
{
  UdpHeader header;
  Reader reader(datagram);
  header.source_port = reader.u16();
  header.destination_port = reader.u16();
  header.length_bytes = reader.u16();
  header.checksum = reader.u16();
  if (reader.failed() || header.length_bytes > datagram.size()) {
    return Drop::truncated;
  }
  if (header.length_bytes < SIZE_BYTES) {
    return Drop::bad_length;
  }
  return header;
}

std::size_t UdpHeader::write(Writer& writer) const
{
  const std::size_t before = writer.written();
  writer.u16(source_port);
  writer.u16(destination_port);
  writer.u16(length_bytes);
  writer.u16(checksum);
  return writer.written() - before;
}

} // namespace slirpstack
