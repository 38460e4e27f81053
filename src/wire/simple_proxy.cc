#include "wire/simple_proxy.hh"

namespace slirpstack {

namespace {

IpAddress read_address(Reader& reader)
{
  const IpAddress address(reader.bytes<16>());
  return address.unmapped().value_or(address);
}

void write_address(Writer& writer, const IpAddress& address)
{
  if (address.is_ipv4()) {
    writer.zeros(10);
    writer.u16(0xffff); // RFC 4291 2.5.5.2: IPv4-mapped
  }
  writer.bytes(address.bytes());
}

} // namespace

Parsed<SimpleProxyHeader> SimpleProxyHeader::parse(ByteView datagram)
{
  SimpleProxyHeader header;
  Reader reader(datagram);
  const std::uint16_t magic = reader.u16();
  header.client.address = read_address(reader);
  header.proxy.address = read_address(reader);
  header.client.port = reader.u16();
  header.proxy.port = reader.u16();
  if (reader.failed()) {
    return Drop::truncated;
  }
  if (magic != MAGIC) {
    return Drop::bad_header;
  }
  return header;
}

std::size_t SimpleProxyHeader::write(Writer& writer) const
{
  const std::size_t before = writer.written();
  writer.u16(MAGIC);
  write_address(writer, client.address);
  write_address(writer, proxy.address);
  writer.u16(client.port);
  writer.u16(proxy.port);
  return writer.written() - before;
}

} // namespace slirpstack
