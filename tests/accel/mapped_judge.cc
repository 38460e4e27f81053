#include "mapped_judge.hh"

#include "wire/checksum.hh"
#include "wire/ethernet.hh"

#include <algorithm>

namespace slirpstack::test {

namespace {

constexpr std::size_t ETHERNET = EthernetHeader::SIZE_BYTES;
constexpr std::size_t HOP_LIMIT = 7;
constexpr std::size_t SOURCE = 8;
constexpr std::size_t DESTINATION = 24;
constexpr std::size_t ICMP_HEADER = 8;

std::size_t checksum_at(std::uint8_t protocol)
{
  return protocol == PROTOCOL_TCP ? 16 : protocol == PROTOCOL_UDP ? 6 : 2;
}

/// Of all that a transport checksum is over and that a router may change, its field included.
std::uint16_t sum_of(ByteView packet, const IpHeader& header)
{
  Checksum sum;
  sum.add(packet.subspan(SOURCE, 32));
  sum.add(header.payload(packet));
  return sum.folded() % 0xffff; // which is 0 too
}

bool has_no_checksum(const IpHeader& header, ByteView payload)
{
  return header.protocol == PROTOCOL_UDP && payload[6] == 0 && payload[7] == 0;
}

} // namespace

MappedJudge::MappedJudge(const MappedBed& bed, const std::vector<Packet>& carried) : bed_(bed)
{
  for (const Packet& packet : carried) {
    inside_.push_back(SlowPath::flow_of(packet));
    outside_.push_back(SlowPath::flow_of(outside(bed, packet)));
  }
}

std::optional<FlowKey> MappedJudge::flow_of(std::uint8_t protocol,
                                            const IpAddress& source,
                                            const IpAddress& destination,
                                            ByteView transport,
                                            Way way)
{
  Reader reader(transport);
  const std::uint16_t first = reader.u16();
  const std::uint16_t second = reader.u16();
  const std::uint16_t third = protocol == PROTOCOL_ICMPV6 ? reader.u16() : std::uint16_t{0};
  const bool is_out = way == Way::out;
  FlowKey key{protocol, {is_out ? source : destination, 0}, {is_out ? destination : source, 0}};
  if (protocol == PROTOCOL_ICMPV6) {
    key.guest.port = third;
    if (first >> 8U != (is_out ? ECHO_REQUEST_V6 : ECHO_REPLY_V6)) {
      return std::nullopt;
    }
  } else {
    key.guest.port = is_out ? first : second;
    key.remote.port = is_out ? second : first;
  }
  return reader.failed() ? std::nullopt : std::optional(key);
}

void MappedJudge::read_quotation(ByteView quote, Way way, Reading& reading)
{
  Reader reader(quote);
  reader.skip(6);
  const std::uint8_t protocol = reader.u8();
  reader.skip(1);
  const IpAddress source(reader.bytes<16>());
  const IpAddress destination(reader.bytes<16>());
  const IpAddress& sender = way == Way::out ? source : reading.header.destination;
  if (reader.failed()
      || reading.header.destination != (way == Way::out ? sender : source)) { // who has sent it
    return;
  }
  reading.flow
    = flow_of(protocol, source, destination, reader.rest(), way == Way::out ? Way::in : Way::out);
}

std::optional<MappedJudge::Reading> MappedJudge::read(ByteView packet, Way way)
{
  const Parsed<IpHeader> header = IpHeader::parse(packet);
  if (!header || header->family() != Family::ipv6) {
    return std::nullopt;
  }
  Reading reading{*header, {}, false};
  const ByteView payload = header->payload(packet);
  if (header->fragment_offset_bytes != 0) {
    return reading;
  }
  if (header->protocol == PROTOCOL_ICMPV6 && !payload.empty() && payload[0] < ECHO_REQUEST_V6) {
    reading.is_error = true;
    if (payload.size() > ICMP_HEADER) {
      read_quotation(payload.subspan(ICMP_HEADER), way, reading);
    }
    return reading;
  }
  reading.flow = flow_of(header->protocol, header->source, header->destination, payload, way);
  return reading;
}

bool MappedJudge::is_of_flow(const Reading& reading, Way way)
{
  const IpHeader& header = reading.header;
  const Datagram datagram{way, header.source, header.destination, header.identification};
  if (header.fragment_offset_bytes != 0) {
    return begun_.contains(datagram);
  }
  const std::vector<FlowKey>& known = way == Way::out ? inside_ : outside_;
  if (!reading.flow || std::ranges::find(known, *reading.flow) == known.end()) {
    return false;
  }
  if (!reading.is_error) {
    begun_.insert(datagram);
  }
  return true;
}

IpAddress MappedJudge::translated(const IpAddress& address, Way way) const
{
  const Translation other
    = way == Way::out ? bed_.mappings.to_external(address) : bed_.mappings.to_internal(address);
  return other.address.value_or(IpAddress{});
}

std::string MappedJudge::objection(const Bytes& sent, const Bytes& seen, Way way)
{
  const ByteView packet = ByteView(sent).subspan(ETHERNET);
  const auto reading = read(packet, way);
  if (!reading) {
    return "nobody else could read it";
  }
  if (!is_of_flow(*reading, way)) {
    return "it is of no flow that is allowed";
  }
  const IpHeader& header = reading->header;
  const bool is_later = header.fragment_offset_bytes != 0;
  const bool is_out = way == Way::out;
  const std::size_t address = ETHERNET + (is_out ? SOURCE : DESTINATION);
  const IpAddress wanted = translated(is_out ? header.source : header.destination, way);
  Bytes expected = sent;
  const auto keep = [&](std::size_t from, std::size_t length) { // as it has become
    const auto start = static_cast<std::ptrdiff_t>(from);
    std::copy_n(seen.begin() + start, length, expected.begin() + start);
  };
  if (seen.size() != sent.size()) {
    return "its length has changed";
  }
  keep(0, 2 * sizeof(MacAddress::bytes));
  --expected[ETHERNET + HOP_LIMIT];
  std::ranges::copy(wanted.bytes(), expected.begin() + static_cast<std::ptrdiff_t>(address));
  const std::size_t transport = ETHERNET + header.header_length_bytes;
  if (!is_later) {
    keep(transport + checksum_at(header.protocol), 2);
  }
  if (reading->is_error) {
    const IpAddress& guest = reading->flow->guest.address;
    const std::size_t quoted = transport + ICMP_HEADER + (is_out ? DESTINATION : SOURCE);
    std::ranges::copy(translated(guest, way).bytes(),
                      expected.begin() + static_cast<std::ptrdiff_t>(quoted));
  }
  if (seen != expected) {
    return "more of it has changed than should";
  }
  return is_later || has_no_checksum(header, header.payload(packet))
             || sum_of(ByteView(seen).subspan(ETHERNET), header) == sum_of(packet, header)
           ? ""
           : "its checksum has changed meaning";
}

std::string MappedJudge::objection_out(const Bytes& sent, const Bytes& seen)
{
  return objection(sent, seen, Way::out);
}

std::string MappedJudge::objection_in(const Bytes& sent, const Bytes& seen)
{
  return objection(sent, seen, Way::in);
}

} // namespace slirpstack::test
