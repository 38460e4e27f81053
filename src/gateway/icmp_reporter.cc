#include "gateway/icmp_reporter.hh"

#include "wire/checksum.hh"
#include "wire/udp.hh"

#include <algorithm>
#include <array>

namespace slirpstack {

namespace {

/// RFC 1191 7.1: the MTUs that links have; a search goes down from one to the next.
constexpr std::array<std::uint32_t, 9>
  PLATEAUS{65535, 32000, 17914, 8166, 4352, 2002, 1492, 1280, 576};

std::uint32_t guess_mtu(Family family, std::uint32_t packet_length_bytes)
{
  const auto* const below = std::ranges::find_if(
    PLATEAUS, [&](std::uint32_t plateau) { return plateau < packet_length_bytes; });
  const std::uint32_t guess = below == PLATEAUS.end() ? PLATEAUS.back() : *below;
  return family == Family::ipv4 ? guess : std::max<std::uint32_t>(guess, IPV6_MINIMUM_MTU_BYTES);
}

/// A packet of the guest made anew, as far as an ICMP error may quote it.
class QuotedPacket
{
public:
  /// `length_bytes`: of what follows the IP header, which may be more than will be written.
  QuotedPacket(const IpAddress& from,
               const IpAddress& to,
               std::uint8_t protocol,
               std::size_t length_bytes)
  {
    header_.source = from;
    header_.destination = to;
    header_.protocol = protocol;
    header_.dont_fragment = true;
    header_.header_length_bytes = to.is_ipv4() ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
    header_.total_length_bytes
      = static_cast<std::uint32_t>(header_.header_length_bytes + length_bytes);
    write_ip_header(writer_, header_);
  }

  [[nodiscard]] Writer& writer() { return writer_; }
  /// As much of it as there is room for.
  void add_data(ByteView data)
  {
    writer_.bytes(data.first(std::min(data.size(), bytes_.size() - writer_.written())));
  }

  [[nodiscard]] const IpHeader& header() const { return header_; }
  [[nodiscard]] ByteView bytes() const { return ByteView(bytes_).first(writer_.written()); }

private:
  IpHeader header_;
  std::array<std::uint8_t, IPV6_MINIMUM_MTU_BYTES> bytes_; // NOLINT: read only where written
  Writer writer_{bytes_};
};

std::uint16_t udp_checksum(const UdpHeader& udp, const IpHeader& ip, ByteView data)
{
  Checksum sum = pseudo_header(ip.source, ip.destination, PROTOCOL_UDP, udp.length_bytes);
  sum.add_u16(udp.source_port);
  sum.add_u16(udp.destination_port);
  sum.add_u16(udp.length_bytes);
  sum.add(data);
  return sum.finish() == 0 ? 0xffff : sum.finish();
}

} // namespace

IcmpReporter::IcmpReporter(PacketSink& guest,
                           const IpAddress& gateway_ipv4,
                           const IpAddress& gateway_ipv6)
  : guest_(guest), gateway_ipv4_(gateway_ipv4), gateway_ipv6_(gateway_ipv6)
{}

const IpAddress& IcmpReporter::gateway(Family family) const
{
  return family == Family::ipv4 ? gateway_ipv4_ : gateway_ipv6_;
}

void IcmpReporter::answer(const Unreachable& answer,
                          const IpAddress& source,
                          const IpHeader& original,
                          ByteView packet)
{
  const std::uint32_t mtu_bytes = answer.mtu_bytes != 0
                                    ? answer.mtu_bytes
                                    : guess_mtu(original.family(), original.total_length_bytes);
  const SmallPacket error = icmp_error(answer.kind, mtu_bytes, source, packet);
  if (!error.empty()) {
    guest_.send_whole(error.bytes());
  }
}

void IcmpReporter::pass_on(const HostError& error, const IpHeader& original, ByteView packet)
{
  if (!may_answer_with_icmp_error(original, packet)) {
    return;
  }
  const Family family = original.family();
  const bool has_message
    = error.icmp && error.icmp->family == family
      && icmp_error_kind(family, {error.icmp->type, error.icmp->code}).has_value();
  const bool has_offender
    = has_message && error.icmp->offender && error.icmp->offender->family() == family;
  const IpAddress& source = has_offender ? *error.icmp->offender : gateway(family);
  const Unreachable refusal = refuse_datagram(error);
  if (!has_message || refusal.kind == IcmpErrorKind::fragmentation_needed) {
    answer(refusal, source, original, packet);
    return;
  }
  guest_.send_whole(icmp_error(error.icmp->type, error.icmp->code, 0, source, packet).bytes());
}

void IcmpReporter::report(IcmpErrorKind kind, std::uint32_t mtu_bytes, ByteView original_packet)
{
  const auto original = IpHeader::parse(original_packet, HeaderChecksum::trusted);
  if (original && may_answer_with_icmp_error(*original, original_packet)) {
    answer({kind, mtu_bytes}, gateway(original->family()), *original, original_packet);
  }
}

void IcmpReporter::report(const HostError& error, ByteView original_packet)
{
  const auto original = IpHeader::parse(original_packet, HeaderChecksum::trusted);
  if (original) {
    pass_on(error, *original, original_packet);
  }
}

void IcmpReporter::report_udp(const HostError& error,
                              const Endpoint& from,
                              const Endpoint& to,
                              ByteView data)
{
  UdpHeader udp;
  udp.source_port = from.port;
  udp.destination_port = to.port;
  udp.length_bytes = static_cast<std::uint16_t>(UDP_HEADER_BYTES + data.size());
  QuotedPacket packet(from.address, to.address, PROTOCOL_UDP, UDP_HEADER_BYTES + data.size());
  udp.checksum = udp_checksum(udp, packet.header(), data);
  udp.write(packet.writer());
  packet.add_data(data);
  pass_on(error, packet.header(), packet.bytes());
}

void IcmpReporter::report_echo(const HostError& error,
                               const IpAddress& from,
                               const IpAddress& to,
                               const IcmpEcho& request)
{
  QuotedPacket packet(
    from, to, to.is_ipv4() ? PROTOCOL_ICMP : PROTOCOL_ICMPV6, request.length_bytes());
  IcmpEcho quoted = request;
  // The message is written with its data in one go, so it is cut beforehand. Its checksum is then
  // that of what is quoted, which nobody can check against more.
  const std::size_t room
    = IPV6_MINIMUM_MTU_BYTES - packet.header().header_length_bytes - ICMP_HEADER_BYTES;
  quoted.data = request.data.first(std::min(request.data.size(), room));
  quoted.write(packet.writer(), from, to);
  pass_on(error, packet.header(), packet.bytes());
}

} // namespace slirpstack
