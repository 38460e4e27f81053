#include "wire/ethernet.hh"

namespace slirpstack {

Parsed<EthernetHeader> EthernetHeader::parse(ByteView frame)
{
  EthernetHeader header;
  Reader reader(frame);
  header.destination.bytes = reader.bytes<6>();
  header.source.bytes = reader.bytes<6>();
  header.ethertype = reader.u16();
  if (reader.failed()) {
    return Drop::truncated;
  }
  return header;
}

std::size_t EthernetHeader::write(Writer& writer) const
{
  const std::size_t before = writer.written();
  writer.bytes(destination.bytes);
  writer.bytes(source.bytes);
  writer.u16(ethertype);
  return writer.written() - before;
}

} // namespace slirpstack
