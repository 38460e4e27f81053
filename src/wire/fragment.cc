#include "wire/fragment.hh"

#include "wire/checksum.hh"

#include <cassert>

namespace slirpstack {

namespace {

/// The largest value of either family's length field.
constexpr std::size_t MAXIMUM_LENGTH_FIELD = 65535;

/// What the length field of the whole would say: IPv6's does not count the first 40 bytes.
std::size_t length_field(Family family, std::size_t header_bytes, std::size_t data_bytes)
{
  return header_bytes + data_bytes - (family == Family::ipv6 ? IPV6_HEADER_BYTES : 0);
}

/// What is wrong with a fragment taken by itself.
std::optional<Drop> refuse(const IpHeader& header)
{
  const std::size_t payload_bytes = header.payload_length_bytes();
  const bool whole_units = payload_bytes % 8 == 0;
  if (payload_bytes == 0 || (header.more_fragments && !whole_units)) {
    return Drop::bad_length;
  }
  const std::size_t end_bytes = header.fragment_offset_bytes + payload_bytes;
  if (length_field(header.family(), header.unfragmentable_length_bytes, end_bytes)
      > MAXIMUM_LENGTH_FIELD) {
    return Drop::bad_length; // what "ping of death" was
  }
  return std::nullopt;
}

/// Makes the first fragment's header that of the whole, which is in place behind it.
void repair_ipv4_header(MutableBytes packet, std::size_t header_bytes)
{
  Writer(packet.subspan(2)).u16(static_cast<std::uint16_t>(packet.size()));
  Writer(packet.subspan(6)).u16(0); // flags and offset
  Writer(packet.subspan(10)).u16(0);
  Checksum sum;
  sum.add(packet.first(header_bytes));
  Writer(packet.subspan(10)).u16(sum.finish());
}

/// Likewise; `next_header` is what the fragment header named. The chain was walked when the
/// fragment was parsed, so it ends exactly at the unfragmentable part's end.
void repair_ipv6_header(MutableBytes packet,
                        std::size_t unfragmentable_bytes,
                        std::uint8_t next_header)
{
  Writer(packet.subspan(4)).u16(static_cast<std::uint16_t>(packet.size() - IPV6_HEADER_BYTES));
  std::size_t field = 6;
  for (std::size_t at = IPV6_HEADER_BYTES; at < unfragmentable_bytes;) {
    field = at;
    at += (std::size_t{packet[at + 1]} + 1) * 8;
  }
  packet[field] = next_header;
}

/// The IP header of a fragment, and in IPv6 the fragment header behind it.
void write_fragment_headers(Writer& writer, const IpHeader& header)
{
  if (header.family() == Family::ipv4) {
    write_ip_header(writer, header);
    return;
  }
  IpHeader outer = header;
  outer.protocol = PROTOCOL_FRAGMENT;
  write_ip_header(writer, outer);
  writer.u8(header.protocol);
  writer.u8(0);
  writer.u16(
    static_cast<std::uint16_t>(header.fragment_offset_bytes | (header.more_fragments ? 1U : 0U)));
  writer.u32(header.identification);
}

} // namespace

Reassembler::Reassembler(DropCounters& drops, ReassemblyLimits limits)
  : drops_(drops), limits_(limits)
{}

Reassembler::Key Reassembler::key_of(const IpHeader& header)
{
  const bool is_ipv4 = header.family() == Family::ipv4;
  return {header.source,
          header.destination,
          header.identification,
          is_ipv4 ? header.protocol : std::uint8_t{0}};
}

Reassembler::Result Reassembler::add(const IpHeader& header, ByteView packet, TimePoint now)
{
  assert(header.is_fragment());
  if (const auto reason = refuse(header)) {
    return *reason;
  }
  const auto datagram = find_or_open(key_of(header), now);
  if (datagram->spoiled_by) {
    return *datagram->spoiled_by;
  }
  const Range range{header.fragment_offset_bytes,
                    header.fragment_offset_bytes + header.payload_length_bytes(),
                    !header.more_fragments};
  const ByteView data = header.payload(packet);
  const auto place
    = std::ranges::lower_bound(datagram->pieces, range.begin, {}, &Piece::offset_bytes);
  if (place != datagram->pieces.end() && place->offset_bytes == range.begin
      && std::ranges::equal(place->data, data)
      && range.is_last == (range.end == datagram->end_bytes)) {
    return Incomplete{};
  }
  if (collides(*datagram, place, range)) {
    return spoil(*datagram, Drop::fragment_overlap);
  }
  if (datagram->pieces.size() == limits_.fragments_per_datagram
      || !make_room(*datagram, packet.size() + sizeof(Piece))) {
    return spoil(*datagram, Drop::fragment_limit);
  }
  keep(*datagram, place, header, packet);
  return datagram->data_bytes == datagram->end_bytes ? finish(datagram) : Incomplete{};
}

Reassembler::Datagrams::iterator Reassembler::find_or_open(const Key& key, TimePoint now)
{
  const auto found = std::ranges::find(datagrams_, key, &Datagram::key);
  if (found != datagrams_.end() && found->deadline > now) {
    return found;
  }
  if (found != datagrams_.end()) {
    lose(found, Drop::fragment_timeout); // expire() has not been called yet
  } else if (datagrams_.size() >= limits_.datagrams) {
    lose(datagrams_.begin(), Drop::fragment_limit);
  }
  const bool is_ipv4 = key.destination.is_ipv4();
  Datagram& opened = datagrams_.emplace_back();
  opened.key = key;
  opened.deadline = now + (is_ipv4 ? limits_.ipv4_lifetime : limits_.ipv6_lifetime);
  return std::prev(datagrams_.end());
}

bool Reassembler::collides(const Datagram& datagram, Pieces::const_iterator place, Range range)
{
  if (place != datagram.pieces.end() && place->offset_bytes < range.end) {
    return true;
  }
  if (place != datagram.pieces.begin() && std::prev(place)->end_bytes() > range.begin) {
    return true;
  }
  const std::size_t reached = datagram.pieces.empty() ? 0 : datagram.pieces.back().end_bytes();
  if (range.is_last) {
    return datagram.end_bytes != 0 || reached > range.end;
  }
  return datagram.end_bytes != 0 && range.end > datagram.end_bytes;
}

bool Reassembler::make_room(const Datagram& newest, std::size_t bytes)
{
  while (held_bytes_ + bytes > limits_.bytes) {
    const auto oldest = std::ranges::find_if(datagrams_, [&newest](const Datagram& datagram) {
      return &datagram != &newest && datagram.charged_bytes > 0;
    });
    if (oldest == datagrams_.end()) {
      return false;
    }
    lose(oldest, Drop::fragment_limit);
  }
  return true;
}

void Reassembler::keep(Datagram& datagram,
                       Pieces::const_iterator place,
                       const IpHeader& header,
                       ByteView packet)
{
  const ByteView data = header.payload(packet);
  const std::size_t offset_bytes = header.fragment_offset_bytes;
  if (offset_bytes == 0) {
    const ByteView first = packet.first(header.header_length_bytes);
    datagram.first_header.assign(first.begin(), first.end());
    datagram.unfragmentable_bytes = header.unfragmentable_length_bytes;
  }
  if (!header.more_fragments) {
    datagram.end_bytes = offset_bytes + data.size();
  }
  datagram.pieces.insert(place, Piece{offset_bytes, {data.begin(), data.end()}});
  datagram.data_bytes += data.size();
  datagram.charged_bytes += packet.size() + sizeof(Piece);
  held_bytes_ += packet.size() + sizeof(Piece);
}

Drop Reassembler::spoil(Datagram& datagram, Drop reason)
{
  held_bytes_ -= datagram.charged_bytes;
  datagram.charged_bytes = 0;
  datagram.pieces = {};
  datagram.first_header = {};
  datagram.spoiled_by = reason;
  return reason;
}

Reassembler::Result Reassembler::finish(Datagrams::iterator datagram)
{
  const Family family = datagram->key.destination.family();
  const std::size_t header_bytes = datagram->unfragmentable_bytes;
  // Each fragment was short enough with its own header; the first one's may be longer.
  if (length_field(family, header_bytes, datagram->end_bytes) > MAXIMUM_LENGTH_FIELD) {
    return spoil(*datagram, Drop::bad_length);
  }
  Packet packet(header_bytes + datagram->end_bytes);
  std::copy_n(datagram->first_header.begin(), header_bytes, packet.begin());
  for (const Piece& piece : datagram->pieces) {
    std::ranges::copy(
      piece.data, packet.begin() + static_cast<std::ptrdiff_t>(header_bytes + piece.offset_bytes));
  }
  if (family == Family::ipv4) {
    repair_ipv4_header(packet, header_bytes);
  } else {
    repair_ipv6_header(packet, header_bytes, datagram->first_header[header_bytes]);
  }
  erase(datagram);
  return packet;
}

Reassembler::Datagrams::iterator Reassembler::erase(Datagrams::iterator datagram)
{
  held_bytes_ -= datagram->charged_bytes;
  return datagrams_.erase(datagram);
}

Reassembler::Datagrams::iterator Reassembler::lose(Datagrams::iterator datagram, Drop reason)
{
  if (!datagram->spoiled_by) { // else its loss has been told already
    drops_.count(reason);
  }
  return erase(datagram);
}

std::vector<Reassembler::Packet> Reassembler::expire(TimePoint now)
{
  std::vector<Packet> firsts;
  for (auto datagram = datagrams_.begin(); datagram != datagrams_.end();) {
    if (datagram->deadline > now) {
      ++datagram;
      continue;
    }
    if (!datagram->first_header.empty()) {
      Packet first = std::move(datagram->first_header);
      const Piece& data = datagram->pieces.front();
      first.insert(first.end(), data.data.begin(), data.data.end());
      firsts.push_back(std::move(first));
    }
    datagram = lose(datagram, Drop::fragment_timeout);
  }
  return firsts;
}

TimePoint Reassembler::next_deadline() const
{
  TimePoint next = NEVER;
  for (const Datagram& datagram : datagrams_) {
    next = std::min(next, datagram.deadline);
  }
  return next;
}

std::size_t fragment_packet(ByteView packet,
                            std::size_t mtu_bytes,
                            std::uint32_t identification,
                            const FragmentSink& sink)
{
  const Parsed<IpHeader> whole = IpHeader::parse(packet, HeaderChecksum::trusted);
  if (!whole || whole->is_fragment()) {
    return 0;
  }
  const ByteView data = whole->payload(packet);
  if (whole->total_length_bytes <= mtu_bytes) {
    sink(packet.first(whole->header_length_bytes), data);
    return 1;
  }
  const bool is_ipv4 = whole->family() == Family::ipv4;
  const std::size_t ip_bytes = is_ipv4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
  const std::size_t header_bytes = ip_bytes + (is_ipv4 ? 0 : IPV6_FRAGMENT_HEADER_BYTES);
  if (whole->header_length_bytes != ip_bytes || (is_ipv4 && whole->dont_fragment)
      || mtu_bytes < header_bytes + 8) {
    return 0;
  }
  const std::size_t step_bytes = (mtu_bytes - header_bytes) / 8 * 8;
  std::size_t count = 0;
  for (std::size_t offset = 0; offset < data.size(); offset += step_bytes, ++count) {
    const ByteView payload = data.subspan(offset, std::min(step_bytes, data.size() - offset));
    IpHeader header = *whole;
    header.identification = identification;
    header.fragment_offset_bytes = static_cast<std::uint16_t>(offset);
    header.more_fragments = offset + payload.size() < data.size();
    header.total_length_bytes = static_cast<std::uint32_t>(header_bytes + payload.size());
    std::array<std::uint8_t, IPV6_HEADER_BYTES + IPV6_FRAGMENT_HEADER_BYTES> bytes{};
    Writer writer(bytes);
    write_fragment_headers(writer, header);
    sink(ByteView(bytes).first(writer.written()), payload);
  }
  return count;
}

} // namespace slirpstack
