#include "wire/transport_checksum.hh"

#include "wire/checksum.hh"
#include "wire/tcp.hh"
#include "wire/udp.hh"

namespace slirpstack {

namespace {

constexpr std::size_t ICMP_CHECKSUM_OFFSET = 2;

/// Where the protocol keeps its checksum; nothing for one that has none that we know.
std::optional<std::size_t> checksum_offset(const IpHeader& header)
{
  switch (header.protocol) {
    case PROTOCOL_TCP:
      return TCP_CHECKSUM_OFFSET;
    case PROTOCOL_UDP:
      return UDP_CHECKSUM_OFFSET;
    case PROTOCOL_ICMP:
      return header.family() == Family::ipv4 ? std::optional(ICMP_CHECKSUM_OFFSET) : std::nullopt;
    case PROTOCOL_ICMPV6:
      return header.family() == Family::ipv6 ? std::optional(ICMP_CHECKSUM_OFFSET) : std::nullopt;
    default:
      return std::nullopt;
  }
}

Checksum sum_of(const IpHeader& header, ByteView payload)
{
  Checksum sum;
  if (header.protocol != PROTOCOL_ICMP) {
    sum = pseudo_header(header.source,
                        header.destination,
                        header.protocol,
                        static_cast<std::uint32_t>(payload.size()));
  }
  sum.add(payload);
  return sum;
}

} // namespace

bool verify_transport_checksum(const IpHeader& header, ByteView payload)
{
  const std::optional<std::size_t> offset = checksum_offset(header);
  if (!offset) {
    return true;
  }
  if (payload.size() < *offset + 2) {
    return false;
  }
  if (header.protocol == PROTOCOL_UDP) {
    const Parsed<UdpHeader> udp = UdpHeader::parse(payload);
    if (!udp) {
      return false;
    }
    if (udp->checksum == 0) {
      return header.family() == Family::ipv4;
    }
    payload = payload.first(udp->length_bytes);
  }
  return sum_of(header, payload).finish() == 0;
}

void fill_transport_checksum(const IpHeader& header, MutableBytes payload)
{
  const std::optional<std::size_t> offset = checksum_offset(header);
  if (!offset || payload.size() < *offset + 2) {
    return;
  }
  const MutableBytes field = payload.subspan(*offset, 2);
  Writer(field).u16(0);
  std::uint16_t checksum = sum_of(header, payload).finish();
  if (header.protocol == PROTOCOL_UDP && checksum == 0) {
    checksum = 0xffff; // RFC 768: zero would say that there is none
  }
  Writer(field).u16(checksum);
}

} // namespace slirpstack
