#include "wire/ndp.hh"

#include "require.hh"
#include "wire/transport_checksum.hh"

#include <vector>

using namespace slirpstack;

namespace {

/// A message that parses, written and parsed once more, is the same.
template<typename Message>
void check(const IpHeader& header, ByteView message)
{
  const auto parsed = Message::parse(header, message);
  if (!parsed) {
    return;
  }
  const SmallPacket packet = parsed->packet(header.source, header.destination);
  const auto again_header = IpHeader::parse(packet.bytes());
  require(static_cast<bool>(again_header));
  const auto again = Message::parse(*again_header, again_header->payload(packet.bytes()));
  require(again && again->target == parsed->target);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  std::vector<std::uint8_t> packet(data, data + size);
  const auto header = IpHeader::parse(packet);
  if (!header || header->is_fragment()) {
    return 0;
  }
  // The checksum is made right, or no mutation would ever get past it.
  fill_transport_checksum(
    *header,
    MutableBytes(packet).subspan(header->header_length_bytes, header->payload_length_bytes()));
  const ByteView message = header->payload(packet);
  check<NeighborSolicitation>(*header, message);
  check<NeighborAdvertisement>(*header, message);
  RouterSolicitation::parse(*header, message);
  return 0;
}
