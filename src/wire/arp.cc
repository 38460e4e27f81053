#include "wire/arp.hh"

#include "wire/ethernet.hh"

namespace slirpstack {

namespace {

constexpr std::uint16_t HARDWARE_ETHERNET = 1;
constexpr std::uint16_t ADDRESS_LENGTHS = 0x0604; // six bytes of hardware, four of protocol address

} // namespace

Parsed<ArpPacket> ArpPacket::parse(ByteView payload)
{
  ArpPacket packet;
  Reader reader(payload);
  const std::uint16_t hardware = reader.u16();
  const std::uint16_t protocol = reader.u16();
  const std::uint16_t lengths = reader.u16();
  packet.operation = reader.u16();
  packet.sender_mac.bytes = reader.bytes<6>();
  packet.sender_address = IpAddress(reader.bytes<4>());
  packet.target_mac.bytes = reader.bytes<6>();
  packet.target_address = IpAddress(reader.bytes<4>());
  if (reader.failed()) {
    return Drop::truncated;
  }
  if (hardware != HARDWARE_ETHERNET || protocol != ETHERTYPE_IPV4 || lengths != ADDRESS_LENGTHS) {
    return Drop::bad_header;
  }
  if (packet.operation != ARP_REQUEST && packet.operation != ARP_REPLY) {
    return Drop::unexpected_type;
  }
  return packet;
}

std::size_t ArpPacket::write(Writer& writer) const
{
  const std::size_t before = writer.written();
  writer.u16(HARDWARE_ETHERNET);
  writer.u16(ETHERTYPE_IPV4);
  writer.u16(ADDRESS_LENGTHS);
  writer.u16(operation);
  writer.bytes(sender_mac.bytes);
  writer.bytes(sender_address.bytes());
  writer.bytes(target_mac.bytes);
  writer.bytes(target_address.bytes());
  return writer.written() - before;
}

} // namespace slirpstack
