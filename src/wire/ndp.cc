#include "wire/ndp.hh"

#include "wire/transport_checksum.hh"

namespace slirpstack {

namespace {

constexpr std::uint8_t LINK_HOP_LIMIT = 255;
constexpr std::uint32_t FLAG_ROUTER = 0x80000000U;
constexpr std::uint32_t FLAG_SOLICITED = 0x40000000U;
constexpr std::uint32_t FLAG_OVERRIDE = 0x20000000U;

/// The checks that all messages share, RFC 4861 6.1.1, 7.1.1 and 7.1.2.
std::optional<Drop> refuse(const IpHeader& header, ByteView message, std::uint8_t type)
{
  if (header.family() != Family::ipv6 || header.protocol != PROTOCOL_ICMPV6) {
    return Drop::unexpected_type;
  }
  if (message.empty()) {
    return Drop::truncated;
  }
  if (message[0] != type) {
    return Drop::unexpected_type;
  }
  if (!verify_transport_checksum(header, message)) {
    return Drop::bad_checksum;
  }
  if (header.hop_limit != LINK_HOP_LIMIT || message[1] != 0) {
    return Drop::bad_header;
  }
  return std::nullopt;
}

/// The link-layer address in the option of that type, if there is one. Walks all the options;
/// false if one is malformed.
bool read_options(ByteView options, std::uint8_t wanted, std::optional<MacAddress>& link_layer)
{
  Reader reader(options);
  while (!reader.rest().empty()) {
    const std::uint8_t type = reader.u8();
    const std::size_t length_bytes = std::size_t{reader.u8()} * 8;
    if (reader.failed() || length_bytes == 0) {
      return false;
    }
    Reader value(reader.take(length_bytes - 2));
    if (reader.failed()) {
      return false;
    }
    if (type == wanted) {
      link_layer = MacAddress{value.bytes<6>()};
      if (!value.rest().empty()) {
        return false; // not Ethernet's length
      }
    }
  }
  return true;
}

/// Both neighbor messages look alike: flags, target, perhaps a link-layer address.
SmallPacket neighbor_packet(std::uint8_t type,
                            std::uint32_t flags,
                            const IpAddress& target,
                            std::uint8_t option,
                            const std::optional<MacAddress>& link_layer,
                            IpHeader header)
{
  std::array<std::uint8_t, 32> message{};
  Writer writer(message);
  writer.u8(type);
  writer.u8(0);
  writer.u16(0);
  writer.u32(flags);
  writer.bytes(target.bytes());
  if (link_layer) {
    writer.u8(option);
    writer.u8(1);
    writer.bytes(link_layer->bytes);
  }
  header.protocol = PROTOCOL_ICMPV6;
  header.hop_limit = LINK_HOP_LIMIT;
  return SmallPacket::ip(header, ByteView(message).first(writer.written()));
}

} // namespace

Parsed<NeighborSolicitation> NeighborSolicitation::parse(const IpHeader& header, ByteView message)
{
  if (const auto reason = refuse(header, message, NDP_NEIGHBOR_SOLICITATION)) {
    return *reason;
  }
  NeighborSolicitation solicitation;
  Reader reader(message);
  reader.skip(8);
  solicitation.target = IpAddress(reader.bytes<16>());
  if (reader.failed()) {
    return Drop::truncated;
  }
  if (!read_options(reader.rest(), NDP_OPTION_SOURCE_LINK_LAYER, solicitation.source_link_layer)) {
    return Drop::bad_option;
  }
  const bool probes_duplicate = header.source.is_unspecified();
  if (solicitation.target.is_multicast()
      || (probes_duplicate
          && (solicitation.source_link_layer
              || header.destination != solicited_node_multicast(solicitation.target)))) {
    return Drop::bad_header;
  }
  return solicitation;
}

SmallPacket NeighborSolicitation::packet(const IpAddress& source,
                                         const IpAddress& destination) const
{
  return neighbor_packet(NDP_NEIGHBOR_SOLICITATION,
                         0,
                         target,
                         NDP_OPTION_SOURCE_LINK_LAYER,
                         source_link_layer,
                         {.source = source, .destination = destination});
}

Parsed<NeighborAdvertisement> NeighborAdvertisement::parse(const IpHeader& header, ByteView message)
{
  if (const auto reason = refuse(header, message, NDP_NEIGHBOR_ADVERTISEMENT)) {
    return *reason;
  }
  NeighborAdvertisement advertisement;
  Reader reader(message);
  reader.skip(4);
  const std::uint32_t flags = reader.u32();
  advertisement.router = (flags & FLAG_ROUTER) != 0;
  advertisement.solicited = (flags & FLAG_SOLICITED) != 0;
  advertisement.override = (flags & FLAG_OVERRIDE) != 0;
  advertisement.target = IpAddress(reader.bytes<16>());
  if (reader.failed()) {
    return Drop::truncated;
  }
  if (!read_options(reader.rest(), NDP_OPTION_TARGET_LINK_LAYER, advertisement.target_link_layer)) {
    return Drop::bad_option;
  }
  if (advertisement.target.is_multicast()
      || (advertisement.solicited && header.destination.is_multicast())) {
    return Drop::bad_header;
  }
  return advertisement;
}

SmallPacket NeighborAdvertisement::packet(const IpAddress& source,
                                          const IpAddress& destination) const
{
  const std::uint32_t flags = (router ? FLAG_ROUTER : 0U) | (solicited ? FLAG_SOLICITED : 0U)
                              | (override ? FLAG_OVERRIDE : 0U);
  return neighbor_packet(NDP_NEIGHBOR_ADVERTISEMENT,
                         flags,
                         target,
                         NDP_OPTION_TARGET_LINK_LAYER,
                         target_link_layer,
                         {.source = source, .destination = destination});
}

Parsed<RouterSolicitation> RouterSolicitation::parse(const IpHeader& header, ByteView message)
{
  if (const auto reason = refuse(header, message, NDP_ROUTER_SOLICITATION)) {
    return *reason;
  }
  RouterSolicitation solicitation;
  Reader reader(message);
  reader.skip(8);
  if (reader.failed()) {
    return Drop::truncated;
  }
  if (!read_options(reader.rest(), NDP_OPTION_SOURCE_LINK_LAYER, solicitation.source_link_layer)) {
    return Drop::bad_option;
  }
  if (header.source.is_unspecified() && solicitation.source_link_layer) {
    return Drop::bad_header;
  }
  return solicitation;
}

IpAddress solicited_node_multicast(const IpAddress& address)
{
  assert(address.is_ipv6());
  std::array<std::uint8_t, 16> bytes{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
  std::ranges::copy(address.bytes().last(3), bytes.begin() + 13);
  return IpAddress(bytes);
}

} // namespace slirpstack
