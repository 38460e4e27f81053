#include "host/error_queue.hh"

#include "host/socket_address.hh"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <linux/errqueue.h>

namespace slirpstack {

namespace {

// A guest cannot make these pile up: each came with a failed send, and all are delivered in the
// loop's next turn.
constexpr std::size_t KEPT_MAX = 64;

bool is_extended_error(const cmsghdr& message)
{
  return (message.cmsg_level == IPPROTO_IP && message.cmsg_type == IP_RECVERR)
         || (message.cmsg_level == IPPROTO_IPV6 && message.cmsg_type == IPV6_RECVERR);
}

/// The address that follows a sock_extended_err; AF_UNSPEC when nobody sent the message.
std::optional<IpAddress> offender_of(const cmsghdr& message)
{
  const std::size_t offset = CMSG_LEN(sizeof(sock_extended_err));
  if (message.cmsg_len < offset + sizeof(sockaddr_in)) {
    return std::nullopt;
  }
  SocketAddress offender;
  const auto length = std::min<std::size_t>(message.cmsg_len - offset, SocketAddress::CAPACITY);
  std::memcpy(offender.data(), reinterpret_cast<const char*>(&message) + offset, length);
  if (offender.data()->sa_family == AF_UNSPEC) {
    return std::nullopt;
  }
  return offender.endpoint().address;
}

void read_extended_error(const cmsghdr& message, QueuedError& queued)
{
  sock_extended_err extended{};
  std::memcpy(&extended, CMSG_DATA(&message), sizeof extended);
  queued.error.code = {static_cast<int>(extended.ee_errno), std::generic_category()};
  queued.local = extended.ee_origin == SO_EE_ORIGIN_LOCAL;
  const bool has_mtu = extended.ee_errno == EMSGSIZE;
  queued.error.icmp = HostError::Icmp{
    .family = message.cmsg_level == IPPROTO_IP ? Family::ipv4 : Family::ipv6,
    .type = extended.ee_type,
    .code = extended.ee_code,
    .mtu_bytes = has_mtu ? extended.ee_info : 0,
    .offender = offender_of(message),
  };
}

} // namespace

std::optional<QueuedError> take_queued_error(int descriptor, MutableBytes payload)
{
  SocketAddress to;
  iovec piece{payload.data(), payload.size()};
  alignas(cmsghdr) std::array<char, 256> control{};
  msghdr message{};
  message.msg_name = to.data();
  message.msg_namelen = SocketAddress::CAPACITY;
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t length = ::recvmsg(descriptor, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
  if (length < 0) {
    return std::nullopt;
  }
  QueuedError queued;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (is_extended_error(*part)) {
      read_extended_error(*part, queued);
    }
  }
  queued.to = to.endpoint();
  queued.payload = ByteView(payload).first(static_cast<std::size_t>(length));
  return queued;
}

std::optional<QueuedError> ErrorQueue::next(int descriptor, ErrorPayload& payload)
{
  if (!kept_.empty()) {
    QueuedError queued = kept_.front().error;
    std::ranges::copy(kept_.front().payload, payload.begin());
    queued.payload = ByteView(payload).first(kept_.front().payload.size());
    kept_.pop_front();
    return queued;
  }
  std::optional<QueuedError> queued;
  do {
    queued = take_queued_error(descriptor, payload);
  } while (queued && queued->local);
  return queued;
}

std::uint32_t ErrorQueue::take_local_mtu(int descriptor)
{
  ErrorPayload payload;
  while (const auto queued = take_queued_error(descriptor, payload)) {
    if (queued->local) {
      return queued->error.icmp ? queued->error.icmp->mtu_bytes : 0;
    }
    if (kept_.size() < KEPT_MAX) {
      kept_.push_back({*queued, {queued->payload.begin(), queued->payload.end()}});
    }
  }
  return 0;
}

HostError send_error(std::error_code code, int descriptor, Family family, ErrorQueue& queue)
{
  HostError error{code, std::nullopt};
  if (code == std::errc::message_size) {
    error.icmp = HostError::Icmp{.family = family, .mtu_bytes = queue.take_local_mtu(descriptor)};
  }
  return error;
}

} // namespace slirpstack
