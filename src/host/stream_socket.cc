#include "host/stream_socket.hh"

#include "base/error.hh"
#include "host/error_queue.hh"
#include "host/socket.hh"
#include "host/unix_address.hh"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <netinet/tcp.h>
#include <sys/epoll.h>

namespace slirpstack {

namespace {

constexpr std::uint32_t HANGUP = EPOLLRDHUP | EPOLLHUP | EPOLLERR;

// A receive ends at the urgent mark, so like after a hang-up a short one tells nothing.
constexpr std::uint32_t NOT_DRAINED_BY_SHORT_RECEIVE = HANGUP | EPOLLPRI;

std::error_code bind_source(int descriptor, const SourceAddress& source)
{
  if (source.is_foreign) {
    allow_foreign_address(descriptor, source.address.family());
  }
  // The port is chosen at connect(), when ports in use towards other destinations are free too.
  set_option(descriptor, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  const SocketAddress address(Endpoint{source.address, 0});
  if (::bind(descriptor, address.data(), address.size()) < 0) {
    return last_error();
  }
  return {};
}

std::error_code start_connecting(int descriptor, const SocketAddress& to)
{
  if (::connect(descriptor, to.data(), to.size()) == 0 || errno == EINPROGRESS) {
    return {};
  }
  return last_error();
}

msghdr message_of(std::span<const iovec> pieces)
{
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data()); // the kernel only reads it
  message.msg_iovlen = std::min<std::size_t>(pieces.size(), IOV_MAX);
  return message;
}

Transfer failed_transfer()
{
  if (errno == EAGAIN || errno == EINTR) {
    return {.would_block = true};
  }
  return {.code = last_error()};
}

} // namespace

// tcp(7): TCP_KEEPIDLE is at most 32767 seconds; 75 seconds and 9 probes are Linux's defaults, set
// here so that the machine's sysctls do not decide when a dead peer is given up.
void set_stream_options(int descriptor, std::chrono::seconds idle)
{
  const auto idle_seconds = std::clamp<std::chrono::seconds::rep>(idle.count(), 1, 32767);
  set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(descriptor, SOL_SOCKET, SO_OOBINLINE, 1);
  set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, static_cast<int>(idle_seconds));
  set_option(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, 75);
  set_option(descriptor, IPPROTO_TCP, TCP_KEEPCNT, 9);
}

StreamSocket::StreamSocket(FileDescriptor descriptor,
                           std::optional<Family> family,
                           HostStreamEvents* events)
  : descriptor_(std::move(descriptor)), family_(family), events_(events)
{}

std::error_code StreamSocket::join(SocketSet& sockets)
{
  return sockets.add(
    descriptor_.get(), EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP, *this, membership_);
}

Opened<HostStream> StreamSocket::connect(SocketSet& sockets,
                                         const SocketAddress& to,
                                         const StreamOptions& options,
                                         std::chrono::seconds idle,
                                         HostStreamEvents& events)
{
  const Family family = to.endpoint().address.family();
  FileDescriptor descriptor = open_socket(family, SOCK_STREAM);
  if (!descriptor) {
    return not_opened<HostStream>(last_error());
  }
  const int number = descriptor.get();
  if (family == Family::ipv6) {
    // An IPv4-mapped destination would leave over IPv4, past -source-ipv4 and the hop limit.
    set_option(number, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  }
  set_stream_options(number, idle);
  set_error_queue(number, family, true);
  PathOptions(family).set_hop_limit(number, options.hop_limit);
  std::error_code code;
  if (options.source) {
    code = bind_source(number, *options.source);
  }
  if (!code) {
    code = start_connecting(number, to);
  }
  std::unique_ptr<StreamSocket> socket(new StreamSocket(std::move(descriptor), family, &events));
  // Only now: epoll reports a socket that is not yet connecting as hung up.
  if (!code) {
    code = socket->join(sockets);
  }
  if (code) {
    return not_opened<HostStream>(code);
  }
  return {std::move(socket), {}};
}

Opened<HostStream> StreamSocket::connect(SocketSet& sockets,
                                         const UnixPath& to,
                                         HostStreamEvents& events)
{
  FileDescriptor descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!descriptor) {
    return not_opened<HostStream>(last_error());
  }
  const auto address = UnixAddress::of(to);
  if (!address) {
    return not_opened<HostStream>(std::make_error_code(std::errc::filename_too_long));
  }
  // It connects at once or not at all: EAGAIN is a full queue of the listener's.
  if (::connect(descriptor.get(), address->data(), address->size()) < 0) {
    return not_opened<HostStream>(last_error());
  }
  std::unique_ptr<StreamSocket> socket(
    new StreamSocket(std::move(descriptor), std::nullopt, &events));
  if (const std::error_code code = socket->join(sockets)) {
    return not_opened<HostStream>(code);
  }
  return {std::move(socket), {}};
}

Opened<HostStream> StreamSocket::accepted(SocketSet& sockets, FileDescriptor descriptor)
{
  std::unique_ptr<StreamSocket> socket(
    new StreamSocket(std::move(descriptor), std::nullopt, nullptr));
  socket->state_ = State::connected;
  if (const std::error_code code = socket->join(sockets)) {
    return not_opened<HostStream>(code);
  }
  return {std::move(socket), {}};
}

Transfer StreamSocket::send(std::span<const iovec> pieces)
{
  const msghdr message = message_of(pieces);
  const ssize_t sent = ::sendmsg(descriptor_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent < 0 ? failed_transfer() : Transfer{.bytes = static_cast<std::size_t>(sent)};
}

Transfer StreamSocket::receive(std::span<const iovec> pieces)
{
  msghdr message = message_of(pieces);
  const ssize_t received = ::recvmsg(descriptor_.get(), &message, MSG_DONTWAIT);
  if (received < 0) {
    return failed_transfer();
  }
  return {.bytes = static_cast<std::size_t>(received), .end_of_stream = received == 0};
}

Transfer StreamSocket::peek(MutableBytes bytes)
{
  const ssize_t received
    = ::recv(descriptor_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_PEEK);
  if (received < 0) {
    return failed_transfer();
  }
  return {.bytes = static_cast<std::size_t>(received), .end_of_stream = received == 0};
}

std::optional<Endpoint> StreamSocket::local() const
{
  SocketAddress address;
  socklen_t size = SocketAddress::CAPACITY;
  if (::getsockname(descriptor_.get(), address.data(), &size) < 0 || !address.is_internet()) {
    return std::nullopt;
  }
  return address.unmapped_endpoint();
}

std::optional<StreamAddress> StreamSocket::remote() const
{
  UnixAddress address;
  socklen_t size = UnixAddress::CAPACITY;
  if (::getpeername(descriptor_.get(), address.data(), &size) < 0) {
    return std::nullopt;
  }
  if (address.is_unix()) {
    return StreamAddress(address.path(size));
  }
  SocketAddress peer;
  size = SocketAddress::CAPACITY;
  ::getpeername(descriptor_.get(), peer.data(), &size);
  return StreamAddress(peer.unmapped_endpoint());
}

void StreamSocket::shutdown_send()
{
  ::shutdown(descriptor_.get(), SHUT_WR);
}

void StreamSocket::reset_on_close()
{
  const linger reset{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(descriptor_.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

void StreamSocket::on_socket_events(std::uint32_t events)
{
  const SocketSet::Liveness self(membership_);
  if (state_ == State::connecting) {
    if (!finish_connecting(events) || !self.alive()) {
      return;
    }
    events &= ~static_cast<std::uint32_t>(EPOLLOUT); // on_connected says so
  }
  if ((events & (EPOLLIN | NOT_DRAINED_BY_SHORT_RECEIVE)) != 0) {
    events_->on_readable((events & NOT_DRAINED_BY_SHORT_RECEIVE) != 0);
    if (!self.alive()) {
      return;
    }
  }
  if ((events & EPOLLOUT) != 0) {
    events_->on_writable();
  }
}

/// True when the connection is there and the rest of the events count.
bool StreamSocket::finish_connecting(std::uint32_t events)
{
  if ((events & HANGUP) != 0) {
    const HostError error = connect_error();
    if (error.code) {
      membership_.leave();
      events_->on_connect_failed(error);
      return false;
    }
  }
  if ((events & EPOLLOUT) == 0) {
    return false;
  }
  state_ = State::connected;
  if (family_) {
    // While this is on, an ICMP unreachable fails an established connection, which RFC 1122
    // section 4.2.3.9 forbids: it may be passing.
    set_error_queue(descriptor_.get(), *family_, false);
  }
  events_->on_connected();
  return true;
}

HostError StreamSocket::connect_error()
{
  HostError error;
  int number = 0;
  socklen_t size = sizeof number;
  ::getsockopt(descriptor_.get(), SOL_SOCKET, SO_ERROR, &number, &size);
  error.code = {number, std::generic_category()};
  ErrorPayload payload;
  while (const auto queued = take_queued_error(descriptor_.get(), payload)) {
    if (!queued->local) {
      error.icmp = queued->error.icmp;
    }
  }
  return error;
}

} // namespace slirpstack
