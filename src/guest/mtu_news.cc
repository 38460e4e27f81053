#include "guest/mtu_news.hh"

#include "base/error.hh"
#include "guest/rtnetlink.hh"

#include <array>
#include <sys/socket.h>
#include <utility>

namespace slirpstack {

namespace {

constexpr int MESSAGES_AT_ONCE = 64; // the guest may make many, and others wait meanwhile

} // namespace

std::optional<std::uint32_t> mtu_in(ByteView messages, int index)
{
  std::optional<std::uint32_t> found;
  while (messages.size() >= sizeof(nlmsghdr)) {
    const auto* const message = reinterpret_cast<const nlmsghdr*>(messages.data());
    const std::size_t length = message->nlmsg_len;
    // libmnl reads attributes up to the next multiple of four, as the kernel's lengths are.
    if (length < sizeof *message || length > messages.size()
        || MNL_ALIGN(length) > messages.size()) {
      break;
    }
    const auto* const body = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
    if (message->nlmsg_type == RTM_NEWLINK && mnl_nlmsg_get_payload_len(message) >= sizeof *body
        && body->ifi_index == index) {
      const std::uint32_t mtu = Attributes<IFLA_MAX>(*message, sizeof *body).u32(IFLA_MTU);
      found = mtu != 0 ? std::optional(mtu) : found;
    }
    messages = messages.subspan(MNL_ALIGN(length));
  }
  return found;
}

FileDescriptor MtuNews::open_socket()
{
  FileDescriptor socket(
    system_call("make an rtnetlink socket",
                ::socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE)));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK;
  system_call("hear of the guest's interfaces",
              ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
  return socket;
}

MtuNews::MtuNews(FileDescriptor socket, int index, std::uint32_t mtu_bytes)
  : socket_(std::move(socket)), index_(index), mtu_bytes_(mtu_bytes)
{}

std::optional<std::uint32_t> MtuNews::take()
{
  const std::uint32_t before = mtu_bytes_;
  alignas(nlmsghdr) std::array<char, 16384> buffer; // NOLINT: only what is received is read
  for (int messages = 0; messages < MESSAGES_AT_ONCE; ++messages) {
    sockaddr_nl sender{};
    socklen_t sender_bytes = sizeof sender;
    const ssize_t length = ::recvfrom(socket_.get(),
                                      buffer.data(),
                                      buffer.size(),
                                      0,
                                      reinterpret_cast<sockaddr*>(&sender),
                                      &sender_bytes);
    if (length < 0 && errno == ENOBUFS) {
      continue; // some were lost; the next one has the MTU again
    }
    if (length <= 0) {
      break;
    }
    if (sender.nl_pid != 0) {
      continue; // a process of the guest's, not its kernel
    }
    const auto bytes = static_cast<std::size_t>(length);
    mtu_bytes_ = mtu_in({reinterpret_cast<const std::uint8_t*>(buffer.data()), bytes}, index_)
                   .value_or(mtu_bytes_);
  }
  return mtu_bytes_ != before ? std::optional(mtu_bytes_) : std::nullopt;
}

} // namespace slirpstack
