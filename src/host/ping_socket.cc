#include "host/ping_socket.hh"

#include "base/error.hh"
#include "wire/checksum.hh"

#include <array>
#include <cerrno>
#include <cstring>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <utility>

namespace slirpstack {

namespace {

constexpr std::size_t ECHO_HEADER_BYTES = 8;
constexpr std::size_t LARGEST_PACKET_BYTES = 65536;

// What one socket may take of a turn before the others come first.
constexpr int MESSAGES_PER_TURN = 64;

std::uint8_t request_type(Family family)
{
  return family == Family::ipv4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
}

std::uint8_t reply_type(Family family)
{
  return family == Family::ipv4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;
}

/// A raw socket would see every ICMP message of the host.
void let_only_replies_in(int descriptor, Family family)
{
  if (family == Family::ipv4) {
    const std::uint32_t blocked = ~(1U << ICMP_ECHOREPLY);
    ::setsockopt(descriptor, SOL_RAW, /*ICMP_FILTER*/ 1, &blocked, sizeof blocked);
  } else {
    icmp6_filter filter;
    ICMP6_FILTER_SETBLOCKALL(&filter);
    ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
    ::setsockopt(descriptor, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter);
  }
}

void report_hop_limit(int descriptor, Family family)
{
  if (family == Family::ipv4) {
    set_option(descriptor, IPPROTO_IP, IP_RECVTTL, 1);
  } else {
    set_option(descriptor, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
  }
}

/// The echo request's header. The checksum is the kernel's work, except on a raw IPv4 socket,
/// where ours is the one that counts; RFC 4443's covers addresses that we do not know.
std::array<std::uint8_t, ECHO_HEADER_BYTES> echo_header(Family family,
                                                        std::uint16_t identifier,
                                                        std::uint16_t sequence,
                                                        ByteView data)
{
  Checksum checksum;
  checksum.add_u16(static_cast<std::uint16_t>(request_type(family) << 8U));
  checksum.add_u16(identifier);
  checksum.add_u16(sequence);
  checksum.add(data);
  std::array<std::uint8_t, ECHO_HEADER_BYTES> header{};
  Writer writer(header);
  writer.u8(request_type(family));
  writer.u8(0);
  writer.u16(checksum.finish());
  writer.u16(identifier);
  writer.u16(sequence);
  return header;
}

struct Received
{
  ByteView packet;
  IpAddress from;
  std::uint8_t hop_limit = 0;
};

std::optional<Received> receive(int descriptor, MutableBytes buffer)
{
  SocketAddress from;
  iovec piece{buffer.data(), buffer.size()};
  alignas(cmsghdr) std::array<char, 64> control{};
  msghdr message{};
  message.msg_name = from.data();
  message.msg_namelen = SocketAddress::CAPACITY;
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t length = ::recvmsg(descriptor, &message, MSG_DONTWAIT);
  if (length < 0) {
    return std::nullopt;
  }
  Received received{ByteView(buffer).first(static_cast<std::size_t>(length)),
                    from.endpoint().address};
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if ((part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_TTL)
        || (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_HOPLIMIT)) {
      int hop_limit = 0;
      std::memcpy(&hop_limit, CMSG_DATA(part), sizeof hop_limit);
      received.hop_limit = static_cast<std::uint8_t>(hop_limit);
    }
  }
  return received;
}

bool forbidden(int number)
{
  return number == EACCES || number == EPERM || number == EPROTONOSUPPORT;
}

} // namespace

PingSocket::PingSocket(const LinkScopes& scopes,
                       FileDescriptor descriptor,
                       bool raw,
                       Family family,
                       HostPingEvents& events)
  : scopes_(scopes)
  , descriptor_(std::move(descriptor))
  , raw_(raw)
  , family_(family)
  , events_(events)
  , path_(family)
{}

Opened<HostPing> PingSocket::open(SocketSet& sockets,
                                  const LinkScopes& scopes,
                                  Family family,
                                  const std::optional<SourceAddress>& source,
                                  HostPingEvents& events)
{
  const int protocol = family == Family::ipv4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
  FileDescriptor descriptor = open_socket(family, SOCK_DGRAM, protocol);
  const bool raw = !descriptor && forbidden(errno);
  if (raw) {
    descriptor = open_socket(family, SOCK_RAW, protocol);
  }
  if (!descriptor) {
    return not_opened<HostPing>(
      raw && forbidden(errno) ? std::make_error_code(std::errc::permission_denied) : last_error());
  }
  std::unique_ptr<PingSocket> socket(
    new PingSocket(scopes, std::move(descriptor), raw, family, events));
  std::error_code code = socket->prepare(source);
  if (!code) {
    code = sockets.add(socket->descriptor_.get(), EPOLLIN, *socket, socket->membership_);
  }
  if (code) {
    return not_opened<HostPing>(code);
  }
  return {std::move(socket), {}};
}

std::error_code PingSocket::prepare(const std::optional<SourceAddress>& source)
{
  const int number = descriptor_.get();
  set_error_queue(number, family_, true);
  report_hop_limit(number, family_);
  if (raw_) {
    let_only_replies_in(number, family_);
    if (::getrandom(&identifier_, sizeof identifier_, 0) < 0) {
      return last_error();
    }
  }
  if (source) {
    if (source->is_foreign) {
      allow_foreign_address(number, family_);
    }
    const SocketAddress address(Endpoint{source->address, 0});
    if (::bind(number, address.data(), address.size()) < 0) {
      return last_error();
    }
  }
  return {};
}

HostError PingSocket::send(const IpAddress& to,
                           std::uint16_t sequence,
                           ByteView data,
                           std::uint8_t hop_limit,
                           bool dont_fragment)
{
  const int number = descriptor_.get();
  path_.set_hop_limit(number, hop_limit);
  path_.set_dont_fragment(number, dont_fragment);
  auto header = echo_header(family_, identifier_, sequence, data);
  SocketAddress destination(Endpoint{to, 0}, scopes_);
  std::array<iovec, 2> pieces{
    {{header.data(), header.size()}, {const_cast<std::uint8_t*>(data.data()), data.size()}}};
  msghdr message{};
  message.msg_name = destination.data();
  message.msg_namelen = destination.size();
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  ssize_t sent = ::sendmsg(number, &message, MSG_DONTWAIT);
  if (sent < 0 && errno != EAGAIN) {
    // The first failure may be what an earlier request to another destination met.
    sent = ::sendmsg(number, &message, MSG_DONTWAIT);
  }
  if (sent >= 0) {
    return {};
  }
  HostError error = send_error(last_error(), number, family_, errors_);
  if (errors_.has_kept()) {
    // The socket is writable, so this brings an event.
    membership_.watch(number, EPOLLIN | EPOLLOUT);
  }
  return error;
}

void PingSocket::on_socket_events(std::uint32_t events)
{
  if ((events & EPOLLOUT) != 0) {
    membership_.watch(descriptor_.get(), EPOLLIN);
  }
  if (((events & EPOLLERR) == 0 && !errors_.has_kept()) || deliver_errors()) {
    deliver_replies();
  }
}

/// False when the socket was destroyed meanwhile.
bool PingSocket::deliver_errors()
{
  const SocketSet::Liveness self(membership_);
  ErrorPayload payload;
  for (int count = 0; count < MESSAGES_PER_TURN; ++count) {
    const auto queued = errors_.next(descriptor_.get(), payload);
    if (!queued) {
      return true;
    }
    if (const auto echo = parse(queued->payload, request_type(family_))) {
      events_.on_error(queued->error, queued->to.address, echo->sequence, echo->data);
      if (!self.alive()) {
        return false;
      }
    }
  }
  membership_.watch(descriptor_.get(), EPOLLIN);
  return true;
}

void PingSocket::deliver_replies()
{
  const SocketSet::Liveness self(membership_);
  std::array<std::uint8_t, LARGEST_PACKET_BYTES> buffer; // filled by the kernel
  for (int count = 0; count < MESSAGES_PER_TURN; ++count) {
    const auto received = receive(descriptor_.get(), buffer);
    if (!received) {
      if (errno == EAGAIN) {
        return;
      }
      continue; // the pending error of an earlier request: read past it
    }
    if (const auto echo = parse(without_ip_header(received->packet), reply_type(family_))) {
      events_.on_reply(received->from, echo->sequence, received->hop_limit, echo->data);
      if (!self.alive()) {
        return;
      }
    }
  }
  membership_.watch(descriptor_.get(), EPOLLIN);
}

std::optional<PingSocket::Echo> PingSocket::parse(ByteView message, std::uint8_t type) const
{
  Reader reader(message);
  const bool wanted_type = reader.u8() == type;
  reader.skip(3); // code, checksum
  const std::uint16_t identifier = reader.u16();
  const std::uint16_t sequence = reader.u16();
  // A raw socket sees the whole host's pings.
  const bool ours = !raw_ || identifier == identifier_;
  if (reader.failed() || !wanted_type || !ours) {
    return std::nullopt;
  }
  return Echo{sequence, reader.rest()};
}

/// What a raw IPv4 socket receives, and no other, begins with the IP header.
ByteView PingSocket::without_ip_header(ByteView packet) const
{
  if (!raw_ || family_ == Family::ipv6 || packet.empty()) {
    return packet;
  }
  Reader reader(packet);
  reader.skip(std::size_t{packet[0] & 0x0fU} * 4);
  return reader.rest();
}

} // namespace slirpstack
