#include "wire/ip.hh"

#include "require.hh"
#include "wire/tcp.hh"
#include "wire/transport_checksum.hh"

#include <vector>

using namespace slirpstack;

namespace {

void check_lengths(const IpHeader& header, ByteView packet)
{
  require(header.total_length_bytes <= packet.size());
  require(header.header_length_bytes <= header.total_length_bytes);
  require(header.unfragmentable_length_bytes <= header.header_length_bytes);
  require(header.protocol_offset_bytes < header.header_length_bytes);
  require(packet[header.protocol_offset_bytes] == header.protocol);
  require(header.source.family() == header.destination.family());
}

/// The fields survive a header without options or extension headers.
void check_round_trip(const IpHeader& header)
{
  IpHeader plain = header;
  plain.total_length_bytes = header.family() == Family::ipv4 ? 20 : 40;
  plain.protocol = PROTOCOL_TCP;
  std::array<std::uint8_t, IPV6_HEADER_BYTES> written{};
  Writer writer(written);
  const std::size_t length_bytes = write_ip_header(writer, plain);
  const auto again = IpHeader::parse(ByteView(written).first(length_bytes));
  require(static_cast<bool>(again));
  require(again->source == header.source && again->destination == header.destination);
  require(again->hop_limit == header.hop_limit && again->traffic_class == header.traffic_class);
  require(again->dont_fragment == header.dont_fragment);
}

/// What is filled in verifies. (UDP may say a length of its own, which the filled sum is not of.)
void check_transport_checksum(const IpHeader& header, ByteView payload)
{
  std::vector<std::uint8_t> filled(payload.begin(), payload.end());
  fill_transport_checksum(header, filled);
  const bool is_right = verify_transport_checksum(header, filled);
  require(is_right || header.protocol == PROTOCOL_UDP || payload.size() < TCP_HEADER_BYTES);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const ByteView packet(data, size);
  const auto header = IpHeader::parse(packet, HeaderChecksum::trusted);
  if (!header) {
    require(!IpHeader::parse(packet));
    return 0;
  }
  check_lengths(*header, packet);
  check_round_trip(*header);
  if (!header->is_fragment()) {
    check_transport_checksum(*header, header->payload(packet));
  }
  return 0;
}
