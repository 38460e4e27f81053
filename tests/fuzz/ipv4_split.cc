#include "wire/ipv4_split.hh"

#include "require.hh"
#include "wire/ipv4_options.hh"

#include <algorithm>

using namespace slirpstack;

namespace {

/// What is cut fits, is in order, and is all of it.
void cut(ByteView packet, std::size_t mtu_bytes)
{
  const auto whole = IpHeader::parse(packet, HeaderChecksum::trusted);
  std::vector<std::uint8_t> data;
  bool more = true;
  const std::size_t count = split_ipv4(packet, mtu_bytes, [&](ByteView header, ByteView payload) {
    std::vector<std::uint8_t> piece(header.begin(), header.end());
    piece.insert(piece.end(), payload.begin(), payload.end());
    const auto parsed = IpHeader::parse(piece, HeaderChecksum::trusted);
    require(static_cast<bool>(parsed));
    require(piece.size() <= mtu_bytes && parsed->total_length_bytes == piece.size());
    require(parsed->source == whole->source && parsed->destination == whole->destination);
    require(parsed->identification == whole->identification);
    require(parsed->fragment_offset_bytes == whole->fragment_offset_bytes + data.size());
    require(!is_source_routed(*parsed, piece) || is_source_routed(*whole, packet));
    more = parsed->more_fragments;
    require(!more || payload.size() % 8 == 0 || whole->more_fragments);
    data.insert(data.end(), payload.begin(), payload.end());
  });
  if (count != 0) {
    require(std::ranges::equal(data, whole->payload(packet)) && more == whole->more_fragments);
  }
}

} // namespace

/// The first two bytes are the MTU, the rest is the packet.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  Reader reader(ByteView(data, size));
  const std::size_t mtu_bytes = reader.u16();
  if (reader.failed()) {
    return 0;
  }
  const ByteView packet = reader.rest();
  cut(packet, mtu_bytes);
  if (const auto header = IpHeader::parse(packet, HeaderChecksum::trusted)) {
    static_cast<void>(is_source_routed(*header, packet));
  }
  return 0;
}
