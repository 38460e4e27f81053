#include "gateway/guest_sender.hh"

#include "wire/checksum.hh"
#include "wire/fragment.hh"
#include "wire/transport_checksum.hh"

#include <algorithm>
#include <array>
#include <cassert>

namespace slirpstack {

namespace {

constexpr std::size_t MAX_TRANSPORT_BYTES = 65535;

std::size_t ip_header_bytes(const IpAddress& address)
{
  return address.is_ipv4() ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
}

IpHeader header_for(const IpAddress& from,
                    const IpAddress& to,
                    std::uint8_t protocol,
                    std::size_t length_bytes)
{
  IpHeader header;
  header.source = from;
  header.destination = to;
  header.protocol = protocol;
  header.dont_fragment = true; // whole packets; RFC 6864 4.1: then the id may be anything
  header.header_length_bytes = static_cast<std::uint16_t>(ip_header_bytes(to));
  header.total_length_bytes = static_cast<std::uint32_t>(header.header_length_bytes + length_bytes);
  return header;
}

/// Whether a packet with so much behind its IP header can be written down at all.
bool fits_a_packet(const IpAddress& to, std::size_t length_bytes)
{
  const std::size_t room
    = to.is_ipv4() ? MAX_TRANSPORT_BYTES - IPV4_HEADER_BYTES : MAX_TRANSPORT_BYTES;
  return length_bytes <= room;
}

iovec piece_of(ByteView bytes)
{
  // Only the first piece of a packet, the headers, is ever modified.
  return {const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
}

/// IP and UDP header of one datagram or of a super-packet, with the checksum left to the device.
class UdpHeaders
{
public:
  UdpHeaders(const Endpoint& from, const Endpoint& to, std::size_t data_bytes)
  {
    const std::size_t length_bytes = UDP_HEADER_BYTES + data_bytes;
    ip_ = header_for(from.address, to.address, PROTOCOL_UDP, length_bytes);
    UdpHeader udp;
    udp.source_port = from.port;
    udp.destination_port = to.port;
    udp.length_bytes = static_cast<std::uint16_t>(length_bytes);
    udp.checksum
      = pseudo_header(
          from.address, to.address, PROTOCOL_UDP, static_cast<std::uint32_t>(length_bytes))
          .folded();
    Writer writer(bytes_);
    write_ip_header(writer, ip_);
    udp.write(writer);
    written_ = writer.written();
  }

  [[nodiscard]] const IpHeader& ip() const { return ip_; }
  [[nodiscard]] ByteView udp() const
  {
    return ByteView(bytes_).subspan(ip_.header_length_bytes, UDP_HEADER_BYTES);
  }
  [[nodiscard]] ByteView bytes() const { return ByteView(bytes_).first(written_); }

private:
  IpHeader ip_;
  std::array<std::uint8_t, IPV6_HEADER_BYTES + UDP_HEADER_BYTES> bytes_{};
  std::size_t written_ = 0;
};

using EchoHeader = std::array<std::uint8_t, ICMP_HEADER_BYTES>;

/// The message without its data, which the checksum nevertheless covers.
EchoHeader echo_header(const IcmpEcho& echo, const IpAddress& from, const IpAddress& to)
{
  EchoHeader bytes{};
  Writer writer(bytes);
  IcmpEcho head = echo;
  head.data = {};
  head.write(writer, from, to);
  bytes[2] = bytes[3] = 0;
  Checksum sum;
  if (to.is_ipv6()) {
    sum = pseudo_header(from, to, PROTOCOL_ICMPV6, static_cast<std::uint32_t>(echo.length_bytes()));
  }
  sum.add(bytes);
  sum.add(echo.data);
  Writer(MutableBytes(bytes).subspan(2, 2)).u16(sum.finish());
  return bytes;
}

OutboundPacket outbound_udp(const UdpHeaders& headers,
                            std::span<const iovec> pieces,
                            std::size_t segment_size_bytes)
{
  return {
    .pieces = pieces,
    .checksum = ChecksumState::partial,
    .ip_header_length_bytes = headers.ip().header_length_bytes,
    .checksum_offset_bytes = UDP_CHECKSUM_OFFSET,
    .headers_length_bytes = static_cast<std::uint16_t>(headers.bytes().size()),
    .segment_size_bytes = static_cast<std::uint16_t>(segment_size_bytes),
  };
}

} // namespace

GuestSender::GuestSender(PacketSink& guest, std::uint32_t first_identification)
  : guest_(guest), identification_(first_identification)
{}

bool GuestSender::can_join(const IpAddress& to, std::size_t datagram_bytes) const
{
  return datagram_bytes > 0 && guest_.cuts_udp()
         && ip_header_bytes(to) + UDP_HEADER_BYTES + datagram_bytes <= guest_.mtu_bytes();
}

void GuestSender::send_udp(const Endpoint& from, const Endpoint& to, ByteView data)
{
  if (!fits_a_packet(to.address, UDP_HEADER_BYTES + data.size())) {
    return;
  }
  const UdpHeaders headers(from, to, data.size());
  if (headers.ip().total_length_bytes > guest_.mtu_bytes()) {
    send_fragments(headers.ip(), headers.udp(), data);
    return;
  }
  const std::array<iovec, 2> pieces{piece_of(headers.bytes()), piece_of(data)};
  guest_.send(outbound_udp(headers, pieces, 0));
}

void GuestSender::send_udp(const Endpoint& from,
                           const Endpoint& to,
                           ByteView data,
                           std::uint16_t segment_size_bytes)
{
  const std::size_t size = segment_size_bytes;
  if (size == 0 || data.size() <= size) {
    send_udp(from, to, data);
    return;
  }
  const std::size_t step
    = can_join(to.address, size) ? std::min(MAX_DATAGRAMS, MAX_SUPER_BYTES / size) * size : size;
  for (; !data.empty(); data = data.subspan(std::min(step, data.size()))) {
    const ByteView part = data.first(std::min(step, data.size()));
    if (part.size() <= size) {
      send_udp(from, to, part);
      continue;
    }
    const UdpHeaders headers(from, to, part.size());
    const std::array<iovec, 2> pieces{piece_of(headers.bytes()), piece_of(part)};
    guest_.send(outbound_udp(headers, pieces, size));
  }
}

void GuestSender::send_udp(const Endpoint& from,
                           const Endpoint& to,
                           std::span<const ByteView> datagrams)
{
  assert(!datagrams.empty() && datagrams.size() <= MAX_DATAGRAMS);
  const std::size_t size = datagrams.front().size();
  if (datagrams.size() == 1 || !can_join(to.address, size)) {
    for (const ByteView datagram : datagrams) {
      send_udp(from, to, datagram);
    }
    return;
  }
  std::array<iovec, 1 + MAX_DATAGRAMS> pieces; // NOLINT: filled as far as it is used
  std::size_t data_bytes = 0;
  for (std::size_t i = 0; i < datagrams.size(); ++i) {
    pieces[1 + i] = piece_of(datagrams[i]);
    data_bytes += datagrams[i].size();
  }
  assert(data_bytes <= MAX_SUPER_BYTES);
  const UdpHeaders headers(from, to, data_bytes);
  pieces[0] = piece_of(headers.bytes());
  guest_.send(outbound_udp(headers, std::span(pieces).first(1 + datagrams.size()), size));
}

void GuestSender::send_echo(const IpAddress& from,
                            const IpAddress& to,
                            const IcmpEcho& echo,
                            std::uint8_t hop_limit)
{
  if (!fits_a_packet(to, echo.length_bytes())) {
    return;
  }
  const std::uint8_t protocol = to.is_ipv4() ? PROTOCOL_ICMP : PROTOCOL_ICMPV6;
  IpHeader header = header_for(from, to, protocol, echo.length_bytes());
  header.hop_limit = hop_limit;
  const EchoHeader message = echo_header(echo, from, to);
  if (header.total_length_bytes > guest_.mtu_bytes()) {
    send_fragments(header, message, echo.data);
    return;
  }
  send_complete(header, message, echo.data);
}

void GuestSender::send_complete(const IpHeader& header, ByteView transport, ByteView data)
{
  std::array<std::uint8_t, IPV6_HEADER_BYTES + ICMP_HEADER_BYTES> bytes{};
  Writer writer(bytes);
  write_ip_header(writer, header);
  writer.bytes(transport);
  assert(!writer.failed());
  const std::array<iovec, 2> pieces{piece_of(ByteView(bytes).first(writer.written())),
                                    piece_of(data)};
  guest_.send({.pieces = pieces, .ip_header_length_bytes = header.header_length_bytes});
}

void GuestSender::send_fragments(IpHeader header, ByteView transport, ByteView data)
{
  header.dont_fragment = false;
  scratch_.resize(header.total_length_bytes);
  Writer writer(scratch_);
  write_ip_header(writer, header);
  writer.bytes(transport);
  writer.bytes(data);
  fill_transport_checksum(header, MutableBytes(scratch_).subspan(header.header_length_bytes));
  fragment_packet(
    scratch_, guest_.mtu_bytes(), ++identification_, [this](ByteView ip, ByteView part) {
      const std::array<iovec, 2> pieces{piece_of(ip), piece_of(part)};
      guest_.send(
        {.pieces = pieces, .ip_header_length_bytes = static_cast<std::uint16_t>(ip.size())});
    });
}

} // namespace slirpstack
