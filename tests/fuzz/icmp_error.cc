#include "wire/icmp_error.hh"

#include "require.hh"
#include "wire/transport_checksum.hh"

using namespace slirpstack;

namespace {

/// Whatever is quoted, the error itself is a right packet of a bounded size.
void check_error(const IpAddress& source, std::size_t limit_bytes, ByteView original)
{
  const SmallPacket packet
    = icmp_error(IcmpErrorKind::protocol_unreachable, 1400, source, original);
  if (packet.empty()) {
    return;
  }
  require(packet.bytes().size() <= limit_bytes);
  const auto header = IpHeader::parse(packet.bytes());
  require(static_cast<bool>(header));
  require(header->source == source);
  require(verify_transport_checksum(*header, header->payload(packet.bytes())));
  require(!may_answer_with_icmp_error(*header, packet.bytes()));
}

/// The same bytes as a message: what it quotes lies inside.
void check_message(Family family, ByteView message)
{
  if (const auto error = IcmpErrorMessage::parse(family, message)) {
    require(error->quote.size() <= message.size());
    require(error->quoted.family() == family);
    require(error->quoted.header_length_bytes <= error->quote.size());
    require(error->transport().size() <= error->quote.size());
    require(error->transport().empty() || error->transport().size() >= 8);
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const ByteView original(data, size);
  check_error(IpAddress::ipv4(0x0a000202), IPV4_MINIMUM_REASSEMBLY_BYTES, original);
  check_error(IpAddress::parse("fd00::2").value(), IPV6_MINIMUM_MTU_BYTES, original);
  check_message(Family::ipv4, original);
  check_message(Family::ipv6, original);
  if (const auto header = IpHeader::parse(original)) {
    const bool may = may_answer_with_icmp_error(*header, original);
    require(!may || header->fragment_offset_bytes == 0);
  }
  return 0;
}
