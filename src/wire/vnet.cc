#include "wire/vnet.hh"

#include <bit>

namespace slirpstack {

static_assert(sizeof(VnetHeader) == VnetHeader::SIZE_BYTES
                && std::has_unique_object_representations_v<VnetHeader>,
              "the struct is the wire format");

Parsed<VnetHeader> VnetHeader::parse(ByteView bytes)
{
  Reader reader(bytes);
  const auto header = std::bit_cast<VnetHeader>(reader.bytes<SIZE_BYTES>());
  if (reader.failed()) {
    return Drop::truncated;
  }
  return header;
}

std::size_t VnetHeader::write(Writer& writer) const
{
  const std::size_t before = writer.written();
  writer.bytes(std::bit_cast<std::array<std::uint8_t, SIZE_BYTES>>(*this));
  return writer.written() - before;
}

bool VnetHeader::plausible(std::size_t frame_length_bytes) const
{
  if (hdr_len > frame_length_bytes) {
    return false;
  }
  if (needs_csum() && std::size_t{csum_start} + csum_offset + 2 > frame_length_bytes) {
    return false;
  }
  switch (gso_kind()) {
    case VNET_GSO_NONE:
      return gso_type == VNET_GSO_NONE;
    case VNET_GSO_TCPV4:
    case VNET_GSO_TCPV6:
    case VNET_GSO_UDP_L4:
      return gso_size != 0;
    default:
      return false;
  }
}

} // namespace slirpstack
