#include "host/udp_socket.hh"

#include "base/error.hh"
#include "host/datagram_batch.hh"

#include <algorithm>
#include <cerrno>
#include <netinet/udp.h>
#include <sys/epoll.h>
#include <utility>

namespace slirpstack {

namespace {

// Room for a burst while the loop is busy elsewhere. The kernel caps it at net.core.[rw]mem_max.
constexpr int SOCKET_BUFFER_BYTES = 4 << 20;

// What one socket may take of a turn before the others come first.
constexpr int RECEIVE_BATCHES_PER_TURN = 4;
constexpr int ERRORS_PER_TURN = 64;

void set_datagram_options(int descriptor, Family family)
{
  set_option(descriptor, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER_BYTES);
  set_option(descriptor, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER_BYTES);
  set_option(descriptor, SOL_UDP, UDP_GRO, 1);
  set_error_queue(descriptor, family, true);
  if (family == Family::ipv6) {
    set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  }
}

/// How many of the first datagrams one sendmmsg can take: all with the same socket options.
std::size_t leading_run(std::span<const OutboundDatagram> datagrams)
{
  const auto first = datagrams.first(std::min(datagrams.size(), DatagramBatch::CAPACITY));
  const auto end = std::ranges::find_if(first, [&](const OutboundDatagram& datagram) {
    return datagram.dont_fragment != datagrams.front().dont_fragment;
  });
  return static_cast<std::size_t>(end - first.begin());
}

/// sendmmsg, once more when it fails: what an earlier datagram to a dead destination met is
/// reported once by whatever call comes next, and is in the error queue besides.
int send_past_foreign_error(DatagramBatch& batch, int descriptor)
{
  const int sent = batch.send(descriptor);
  return sent < 0 && errno != EAGAIN ? batch.send(descriptor) : sent;
}

} // namespace

UdpSocket::UdpSocket(const Shared& shared,
                     FileDescriptor descriptor,
                     Family family,
                     HostDatagramEvents& events)
  : shared_(shared)
  , descriptor_(std::move(descriptor))
  , family_(family)
  , events_(events)
  , path_(family)
{}

Opened<HostDatagrams> UdpSocket::open(const Shared& shared,
                                      Family family,
                                      const std::optional<SourceAddress>& source,
                                      std::uint16_t port_hint,
                                      HostDatagramEvents& events)
{
  FileDescriptor descriptor = open_socket(family, SOCK_DGRAM);
  if (!descriptor) {
    return not_opened<HostDatagrams>(last_error());
  }
  const int number = descriptor.get();
  set_datagram_options(number, family);
  std::unique_ptr<UdpSocket> socket(new UdpSocket(shared, std::move(descriptor), family, events));
  if (source && source->is_foreign) {
    allow_foreign_address(number, family);
  }
  const IpAddress address = source ? source->address : IpAddress::any(family);
  std::error_code code = socket->bind({address, port_hint});
  if (code && port_hint != 0) {
    code = socket->bind({address, 0});
  }
  if (!code) {
    // Not EPOLLOUT: the kernel would report each datagram that left the socket buffer.
    code = shared.sockets.add(number, EPOLLIN, *socket, socket->membership_);
  }
  if (code) {
    return not_opened<HostDatagrams>(code);
  }
  return {std::move(socket), {}};
}

Opened<HostDatagrams> UdpSocket::listen(const Shared& shared,
                                        const ListenOptions& options,
                                        HostDatagramEvents& events)
{
  const auto& endpoint = std::get<Endpoint>(options.address);
  const Family family = endpoint.address.family();
  FileDescriptor descriptor = open_socket(family, SOCK_DGRAM);
  if (!descriptor) {
    return not_opened<HostDatagrams>(last_error());
  }
  const int number = descriptor.get();
  set_datagram_options(number, family);
  // Which of the host's addresses a datagram came to: its answer has to leave from there.
  if (family == Family::ipv4) {
    set_option(number, IPPROTO_IP, IP_PKTINFO, 1);
  } else {
    set_option(number, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  }
  std::unique_ptr<UdpSocket> socket(new UdpSocket(shared, std::move(descriptor), family, events));
  // On a wildcard it is about the answers: they leave from whatever address was asked, also one of
  // a prefix that the host routes to itself.
  if (options.is_foreign || endpoint.address.is_unspecified()) {
    allow_foreign_address(number, family);
  }
  std::error_code code = bind_to_device(number, options.device);
  if (!code) {
    code = socket->bind(endpoint, scope_of(endpoint.address, options.device));
  }
  if (!code) {
    code = shared.sockets.add(number, EPOLLIN, *socket, socket->membership_);
  }
  if (code) {
    return not_opened<HostDatagrams>(code);
  }
  return {std::move(socket), {}};
}

Endpoint UdpSocket::local_towards(const Endpoint& remote) const
{
  SocketAddress own;
  socklen_t size = SocketAddress::CAPACITY;
  ::getsockname(descriptor_.get(), own.data(), &size);
  Endpoint local = own.endpoint();
  if (local.address.is_unspecified()) {
    // A connected socket knows what the route would choose.
    const FileDescriptor probe = open_socket(family_, SOCK_DGRAM);
    const SocketAddress to(remote, shared_.scopes);
    size = SocketAddress::CAPACITY;
    if (probe && ::connect(probe.get(), to.data(), to.size()) == 0
        && ::getsockname(probe.get(), own.data(), &size) == 0) {
      local.address = own.endpoint().address;
    }
  }
  return local;
}

std::error_code UdpSocket::bind(const Endpoint& endpoint, std::uint32_t scope)
{
  const SocketAddress address(endpoint, scope);
  if (::bind(descriptor_.get(), address.data(), address.size()) < 0) {
    return last_error();
  }
  SocketAddress own;
  socklen_t size = SocketAddress::CAPACITY;
  if (::getsockname(descriptor_.get(), own.data(), &size) < 0) {
    return last_error();
  }
  port_ = own.endpoint().port;
  return {};
}

void UdpSocket::send(std::span<const OutboundDatagram> datagrams,
                     SendFailure on_failed,
                     void* context)
{
  std::size_t next = 0;
  while (next < datagrams.size()) {
    HostError error;
    next += send_some(datagrams.subspan(next), error);
    if (error.code) {
      on_failed(context, next - 1, error);
    }
  }
  if (errors_.has_kept()) {
    // The socket is writable, so this brings an event.
    membership_.watch(descriptor_.get(), EPOLLIN | EPOLLOUT);
  }
}

/// Sends some of the first datagrams and returns how many; with an error, the last of them failed.
std::size_t UdpSocket::send_some(std::span<const OutboundDatagram> datagrams, HostError& error)
{
  const OutboundDatagram& first = datagrams.front();
  path_.set_dont_fragment(descriptor_.get(), first.dont_fragment);
  DatagramBatch batch(datagrams.first(leading_run(datagrams)), shared_.scopes);
  if (const int sent = send_past_foreign_error(batch, descriptor_.get()); sent > 0) {
    return static_cast<std::size_t>(sent);
  }
  // The kernel refuses to segment what does not fit the path (EINVAL, EMSGSIZE), more than 64
  // segments (EINVAL) or where the device cannot checksum (EIO).
  if (first.segment_size_bytes != 0 && (errno == EINVAL || errno == EMSGSIZE || errno == EIO)) {
    error = send_segments(first);
  } else {
    error = send_error(last_error(), descriptor_.get(), family_, errors_);
  }
  return 1;
}

HostError UdpSocket::send_segments(const OutboundDatagram& datagram)
{
  HostError first_error;
  OutboundDatagram segment = datagram;
  segment.segment_size_bytes = 0;
  for (ByteView rest = datagram.payload; !rest.empty();) {
    segment.payload = rest.first(std::min<std::size_t>(rest.size(), datagram.segment_size_bytes));
    rest = rest.subspan(segment.payload.size());
    const HostError error = send_alone(segment);
    if (error.code && !first_error.code) {
      first_error = error;
    }
  }
  return first_error;
}

HostError UdpSocket::send_alone(const OutboundDatagram& datagram)
{
  DatagramBatch batch({&datagram, 1}, shared_.scopes);
  if (send_past_foreign_error(batch, descriptor_.get()) > 0) {
    return {};
  }
  return send_error(last_error(), descriptor_.get(), family_, errors_);
}

void UdpSocket::on_socket_events(std::uint32_t events)
{
  if ((events & EPOLLOUT) != 0) {
    membership_.watch(descriptor_.get(), EPOLLIN);
  }
  if (((events & EPOLLERR) == 0 && !errors_.has_kept()) || deliver_errors()) {
    deliver_datagrams();
  }
}

/// False when the socket was destroyed meanwhile.
bool UdpSocket::deliver_errors()
{
  const SocketSet::Liveness self(membership_);
  ErrorPayload payload;
  for (int count = 0; count < ERRORS_PER_TURN; ++count) {
    const auto queued = errors_.next(descriptor_.get(), payload);
    if (!queued) {
      return true;
    }
    events_.on_error(queued->error, queued->to, queued->payload);
    if (!self.alive()) {
      return false;
    }
  }
  membership_.watch(descriptor_.get(), EPOLLIN);
  return true;
}

void UdpSocket::deliver_datagrams()
{
  const SocketSet::Liveness self(membership_);
  for (int batches = 0; batches < RECEIVE_BATCHES_PER_TURN; ++batches) {
    const auto datagrams = shared_.slab.receive(descriptor_.get());
    if (datagrams.empty()) {
      if (errno == EAGAIN) {
        return;
      }
      continue; // the pending error of a dead destination: read past it
    }
    events_.on_datagrams(datagrams);
    if (!self.alive() || datagrams.size() < DatagramSlab::BATCH) {
      return;
    }
  }
  membership_.watch(descriptor_.get(), EPOLLIN);
}

} // namespace slirpstack
