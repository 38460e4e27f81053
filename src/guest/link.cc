#include "guest/link.hh"

#include "wire/checksum.hh"
#include "wire/ethernet.hh"
#include "wire/ndp.hh"
#include "wire/udp.hh"
#include "wire/vnet.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <poll.h>
#include <unistd.h>
#include <utility>

namespace slirpstack {

namespace {

// One batch: enough to spread the cost of a turn, small enough that the host's side is not left
// waiting (the prototype's best on two cores).
constexpr int MAX_BATCH_FRAMES = 64;
constexpr std::size_t MAX_BATCH_BYTES = 256 << 10;

// A tap that has given one small frame at a time will give nothing to a second read but EAGAIN,
// which costs a round trip or a connect its system call. Every so often it is tried all the same.
constexpr std::uint32_t LONE_FRAME_BYTES = 1024;
constexpr unsigned LONE_BATCHES = 4;
constexpr unsigned RETRY_BATCHES = 16;

constexpr std::size_t MAX_PIECES = 72;
constexpr std::uint8_t ICMPV6_MLD_QUERY = 130;
constexpr std::uint8_t ICMPV6_MLD_DONE = 132;
constexpr std::uint8_t ICMPV6_NDP_REDIRECT = 137;
constexpr std::uint8_t ICMPV6_MLDV2_REPORT = 143;

/// What looks at the frame before us goes by its ethertype, and we by the version within.
bool is_version(unsigned version, ByteView packet)
{
  return packet.empty() || packet[0] >> 4U == version;
}

bool is_unicast(const MacAddress& mac)
{
  return (mac.bytes[0] & 1U) == 0 && mac != MacAddress{};
}

} // namespace

Link::Link(Device device, BlockPool& pool, DropCounters& drops, PacketHandler on_packet)
  : device_(std::move(device)), pool_(pool), drops_(drops), on_packet_(std::move(on_packet))
{}

Link::Reading Link::read_frame(std::uint32_t& length_bytes)
{
  Block block = pool_.take_large();
  const ssize_t length = ::read(device_.fd.get(), block->data(), block->capacity_bytes());
  if (length < 0) {
    // The last three pass: a full memory, or what the peer of a socket (-fd) made of our frames.
    if (errno == EAGAIN || errno == EINTR || errno == ENOMEM || errno == ENOBUFS
        || errno == ECONNREFUSED) {
      return Reading::empty;
    }
    return Reading::gone;
  }
  if (length == 0) {
    // No frame; a SOCK_SEQPACKET says so, for ever, when its other end has closed.
    return hung_up() ? Reading::gone : Reading::empty;
  }
  length_bytes = static_cast<std::uint32_t>(length);
  on_frame(std::move(block), length_bytes);
  return Reading::frame;
}

bool Link::read_batch()
{
  const bool lone = lone_batches_ >= LONE_BATCHES && ++batches_since_retry_ % RETRY_BATCHES != 0;
  std::size_t bytes = 0;
  for (int frames = 0; frames < MAX_BATCH_FRAMES && bytes < MAX_BATCH_BYTES; ++frames) {
    std::uint32_t length = 0;
    switch (read_frame(length)) {
      case Reading::gone:
        return false;
      case Reading::empty:
        if (frames == 1) {
          ++lone_batches_;
        }
        return frames > 0 || !hung_up();
      case Reading::frame:
        break;
    }
    bytes += length;
    if (lone && length < LONE_FRAME_BYTES) {
      return true;
    }
    if (frames > 0) {
      lone_batches_ = 0;
    }
  }
  return true;
}

bool Link::hung_up() const
{
  // A socket whose other end has closed stays readable with nothing to read.
  pollfd state{.fd = device_.fd.get(), .events = POLLIN, .revents = 0};
  return ::poll(&state, 1, 0) == 1 && (state.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

void Link::on_frame(Block block, std::uint32_t length_bytes)
{
  GuestPacket packet{.block = std::move(block), .length_bytes = length_bytes};
  if (!strip_vnet_header(packet)) {
    return;
  }
  if (frame_log_ != nullptr) {
    const MutableBytes frame = packet.bytes();
    const std::array<iovec, 1> pieces{iovec{frame.data(), frame.size()}};
    frame_log_->on_frame(FrameLog::Direction::from_guest, pieces);
  }
  if (device_.is_ethernet && !strip_ethernet_header(packet)) {
    return;
  }
  if (is_link_chatter(packet.bytes())) {
    return;
  }
  on_packet_(std::move(packet));
}

bool Link::strip_vnet_header(GuestPacket& packet)
{
  if (!device_.vnet_header) {
    return true;
  }
  const Parsed<VnetHeader> vnet = VnetHeader::parse(packet.bytes());
  packet.offset_bytes += VnetHeader::SIZE_BYTES;
  if (!vnet || !vnet->plausible(packet.length_bytes - VnetHeader::SIZE_BYTES)) {
    drops_.count(vnet ? Drop::bad_vnet_header : vnet.drop());
    return false;
  }
  packet.length_bytes -= VnetHeader::SIZE_BYTES;
  packet.checksum_trusted = vnet->needs_csum() || vnet->data_valid();
  if (vnet->gso_kind() == VNET_GSO_UDP_L4) {
    packet.segment_size_bytes = vnet->gso_size;
  }
  return true;
}

bool Link::strip_ethernet_header(GuestPacket& packet)
{
  const Parsed<EthernetHeader> ethernet = EthernetHeader::parse(packet.bytes());
  if (!ethernet) {
    drops_.count(ethernet.drop());
    return false;
  }
  packet.offset_bytes += EthernetHeader::SIZE_BYTES;
  packet.length_bytes -= EthernetHeader::SIZE_BYTES;
  switch (ethernet->ethertype) {
    case ETHERTYPE_ARP:
      on_arp(packet.bytes());
      return false;
    case ETHERTYPE_IPV4:
    case ETHERTYPE_IPV6:
      if (!is_version(ethernet->ethertype == ETHERTYPE_IPV4 ? 4 : 6, packet.bytes())) {
        drops_.count(Drop::bad_header);
        return false;
      }
      learn(ethernet->source);
      return true;
    default:
      drops_.count(Drop::unknown_ethertype);
      return false;
  }
}

void Link::learn(const MacAddress& source)
{
  if (is_unicast(source)) {
    device_.guest_mac = source;
  }
}

bool Link::is_link_chatter(ByteView packet)
{
  if (packet.empty() || packet[0] >> 4U != 6) {
    return false;
  }
  const Parsed<IpHeader> ip = IpHeader::parse(packet);
  if (!ip || ip->protocol != PROTOCOL_ICMPV6 || ip->is_fragment()) {
    return false;
  }
  const ByteView message = ip->payload(packet);
  if (message.empty()) {
    return false;
  }
  const std::uint8_t type = message[0];
  if (type == NDP_NEIGHBOR_SOLICITATION) {
    answer_solicitation(*ip, message);
  }
  return (type >= ICMPV6_MLD_QUERY && type <= ICMPV6_MLD_DONE) || type == ICMPV6_MLDV2_REPORT
         || (type >= NDP_ROUTER_SOLICITATION && type <= ICMPV6_NDP_REDIRECT);
}

void Link::send(const OutboundPacket& packet)
{
  const auto* header = static_cast<const std::uint8_t*>(packet.pieces[0].iov_base);
  if (packet.checksum == ChecksumState::partial && !device_.vnet_header) {
    finish_checksum(packet);
  }
  write_frame(header[0] >> 4U == 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6, packet);
}

void Link::give_back(const GuestPacket& packet)
{
  const ByteView frame = packet.frame();
  if (::write(device_.fd.get(), frame.data(), frame.size()) < 0) {
    drops_.count(Drop::tap_full);
  }
}

void Link::give_back_piece(ByteView header, ByteView payload)
{
  std::array<std::uint8_t, VnetHeader::SIZE_BYTES + EthernetHeader::SIZE_BYTES> headers{};
  Writer writer(headers);
  if (device_.vnet_header) {
    VnetHeader{}.write(writer);
  }
  if (device_.is_ethernet) {
    EthernetHeader{
      .destination = our_mac(), .source = device_.guest_mac, .ethertype = ETHERTYPE_IPV4}
      .write(writer);
  }
  const auto piece = [](ByteView bytes) {
    return iovec{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
  };
  const std::array<iovec, 3> pieces{
    piece(ByteView(headers).first(writer.written())), piece(header), piece(payload)};
  if (::writev(device_.fd.get(), pieces.data(), static_cast<int>(pieces.size())) < 0) {
    drops_.count(Drop::tap_full);
  }
}

void Link::finish_checksum(const OutboundPacket& packet)
{
  // The field holds the pseudo-header's sum, so the sum over everything is the packet's.
  Checksum sum;
  std::size_t skip = packet.ip_header_length_bytes;
  for (const iovec& piece : packet.pieces) {
    sum.add(
      ByteView(static_cast<const std::uint8_t*>(piece.iov_base), piece.iov_len).subspan(skip));
    skip = 0;
  }
  auto* field = static_cast<std::uint8_t*>(packet.pieces[0].iov_base)
                + packet.ip_header_length_bytes + packet.checksum_offset_bytes;
  // UDP writes a sum of zero as its other form (RFC 768); for TCP both are the same.
  const std::uint16_t finished = sum.finish();
  Writer(MutableBytes(field, 2)).u16(finished == 0 ? 0xffff : finished);
}

std::size_t Link::write_link_headers(MutableBytes headers,
                                     std::uint16_t ethertype,
                                     const OutboundPacket& packet) const
{
  Writer writer(headers);
  const auto ethernet_bytes
    = static_cast<std::uint16_t>(device_.is_ethernet ? EthernetHeader::SIZE_BYTES : 0);
  if (device_.vnet_header) {
    VnetHeader vnet;
    if (packet.checksum == ChecksumState::partial) {
      vnet.flags = VNET_FLAG_NEEDS_CSUM;
      vnet.csum_start = static_cast<std::uint16_t>(ethernet_bytes + packet.ip_header_length_bytes);
      vnet.csum_offset = packet.checksum_offset_bytes;
    }
    if (packet.segment_size_bytes != 0) {
      const bool is_udp = packet.checksum_offset_bytes == UDP_CHECKSUM_OFFSET;
      vnet.gso_type = is_udp                        ? VNET_GSO_UDP_L4
                      : ethertype == ETHERTYPE_IPV4 ? VNET_GSO_TCPV4
                                                    : VNET_GSO_TCPV6;
      vnet.gso_size = packet.segment_size_bytes;
      vnet.hdr_len = static_cast<std::uint16_t>(ethernet_bytes + packet.headers_length_bytes);
    }
    vnet.write(writer);
  }
  if (device_.is_ethernet) {
    // Before the first frame of the guest every Ethernet address may be its own.
    const MacAddress& guest = device_.guest_mac == MacAddress{} ? MAC_BROADCAST : device_.guest_mac;
    EthernetHeader{.destination = guest, .source = our_mac(), .ethertype = ethertype}.write(writer);
  }
  return writer.written();
}

void Link::write_frame(std::uint16_t ethertype, const OutboundPacket& packet)
{
  std::array<std::uint8_t, VnetHeader::SIZE_BYTES + EthernetHeader::SIZE_BYTES> headers{};
  std::array<iovec, MAX_PIECES> pieces; // NOLINT: only the first `count` are read
  if (packet.pieces.size() + 1 > pieces.size()) {
    drops_.count(Drop::bad_length);
    return;
  }
  std::size_t count = 0;
  const std::size_t headers_bytes = write_link_headers(headers, ethertype, packet);
  if (headers_bytes > 0) {
    pieces[count++] = {headers.data(), headers_bytes};
  }
  std::ranges::copy(packet.pieces, pieces.begin() + static_cast<std::ptrdiff_t>(count));
  count += packet.pieces.size();
  write_or_keep(std::span(pieces).first(count));
  if (frame_log_ != nullptr) {
    log_frame(std::span(pieces).first(count), headers_bytes);
  }
}

void Link::write_or_keep(std::span<const iovec> frame)
{
  const bool is_next = waiting_.empty();
  if (is_next && ::writev(device_.fd.get(), frame.data(), static_cast<int>(frame.size())) >= 0) {
    return;
  }
  if ((is_next && errno != EAGAIN) || !waiting_.push(frame)) {
    drops_.count(Drop::tap_full);
  }
}

void Link::send_waiting()
{
  for (std::size_t lost = waiting_.write_to(device_.fd.get()); lost > 0; --lost) {
    drops_.count(Drop::tap_full);
  }
}

void Link::log_frame(std::span<iovec> pieces, std::size_t headers_bytes)
{
  if (device_.vnet_header) {
    pieces[0].iov_base = static_cast<std::uint8_t*>(pieces[0].iov_base) + VnetHeader::SIZE_BYTES;
    pieces[0].iov_len = headers_bytes - VnetHeader::SIZE_BYTES;
  }
  frame_log_->on_frame(FrameLog::Direction::to_guest, pieces);
}

} // namespace slirpstack
