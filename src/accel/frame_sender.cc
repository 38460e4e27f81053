#include "accel/frame_sender.hh"

#include "wire/ethernet.hh"

namespace slirpstack {

std::optional<MacAddress> sender_of(const GuestPacket& packet)
{
  if (packet.offset_bytes < EthernetHeader::SIZE_BYTES) {
    return std::nullopt;
  }
  const auto header = EthernetHeader::parse(
    packet.frame().subspan(packet.offset_bytes - EthernetHeader::SIZE_BYTES));
  return header ? std::optional(header->source) : std::nullopt;
}

} // namespace slirpstack
