#include "wire/ipv4_split.hh"

#include "wire/checksum.hh"
#include "wire/ipv4_options.hh"

#include <optional>
#include <vector>

namespace slirpstack {

namespace {

constexpr std::uint8_t OPTION_COPIED = 0x80;
constexpr std::uint16_t MORE_FRAGMENTS = 0x2000;

using HeaderBytes = std::vector<std::uint8_t>;

/// The header of the fragments behind the first; nothing if an option reaches over the end.
std::optional<HeaderBytes> later_header(ByteView header)
{
  HeaderBytes later(header.begin(), header.begin() + IPV4_HEADER_BYTES);
  const auto keep_copied = [&](ByteView option) {
    if ((option[0] & OPTION_COPIED) != 0) {
      later.insert(later.end(), option.begin(), option.end());
    }
  };
  if (!for_each_ipv4_option(header.subspan(IPV4_HEADER_BYTES), keep_copied)) {
    return std::nullopt;
  }
  later.resize((later.size() + 3) / 4 * 4); // with "end of options"
  later[0] = static_cast<std::uint8_t>(0x40U | later.size() / 4);
  return later;
}

/// Writes what is a fragment's own into its header.
void complete(HeaderBytes& header, std::size_t payload_bytes, std::size_t offset_bytes, bool more)
{
  const MutableBytes bytes(header);
  Writer(bytes.subspan(2)).u16(static_cast<std::uint16_t>(header.size() + payload_bytes));
  const auto place = static_cast<std::uint16_t>((more ? MORE_FRAGMENTS : 0U) | offset_bytes / 8);
  Writer(bytes.subspan(6)).u16(place);
  Writer(bytes.subspan(10)).u16(0);
  Checksum sum;
  sum.add(bytes);
  Writer(bytes.subspan(10)).u16(sum.finish());
}

} // namespace

std::size_t split_ipv4(ByteView packet, std::size_t mtu_bytes, const FragmentSink& sink)
{
  const Parsed<IpHeader> whole = IpHeader::parse(packet, HeaderChecksum::trusted);
  if (!whole || whole->family() != Family::ipv4) {
    return 0;
  }
  const ByteView header = packet.first(whole->header_length_bytes);
  const ByteView data = whole->payload(packet);
  if (whole->total_length_bytes <= mtu_bytes) {
    sink(header, data);
    return 1;
  }
  const auto later = later_header(header);
  const std::size_t end_bytes = header.size() + whole->fragment_offset_bytes + data.size();
  if (whole->dont_fragment || !later || mtu_bytes < header.size() + 8 || end_bytes > UINT16_MAX) {
    return 0;
  }
  HeaderBytes own(header.begin(), header.end());
  std::size_t count = 0;
  for (std::size_t offset = 0; offset < data.size(); ++count) {
    const std::size_t room = (mtu_bytes - own.size()) / 8 * 8;
    const ByteView payload = data.subspan(offset, std::min(room, data.size() - offset));
    const bool more = whole->more_fragments || offset + payload.size() < data.size();
    complete(own, payload.size(), whole->fragment_offset_bytes + offset, more);
    sink(own, payload);
    offset += payload.size();
    own = *later;
  }
  return count;
}

} // namespace slirpstack
