#include "guest/mtu_news.hh"

#include "guest/rtnetlink.hh"

#include <utility>

namespace slirpstack {

namespace {

std::optional<std::uint32_t> mtu_of(const nlmsghdr& message, int index)
{
  const auto* const body = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(&message));
  if (message.nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(&message) < sizeof *body
      || body->ifi_index != index) {
    return std::nullopt;
  }
  const std::uint32_t mtu = Attributes<IFLA_MAX>(message, sizeof *body).u32(IFLA_MTU);
  return mtu != 0 ? std::optional(mtu) : std::nullopt;
}

} // namespace

std::optional<std::uint32_t> mtu_in(ByteView messages, int index)
{
  std::optional<std::uint32_t> found;
  for_each_message(messages, [&](const nlmsghdr& message) {
    if (const auto mtu = mtu_of(message, index)) {
      found = mtu;
    }
  });
  return found;
}

FileDescriptor MtuNews::open_socket()
{
  return RouteEvents::open_socket(RTMGRP_LINK);
}

MtuNews::MtuNews(FileDescriptor socket, int index, std::uint32_t mtu_bytes)
  : events_(std::move(socket)), index_(index), mtu_bytes_(mtu_bytes)
{}

std::optional<std::uint32_t> MtuNews::take()
{
  const std::uint32_t before = mtu_bytes_;
  // If some are lost, the next one has the MTU again.
  static_cast<void>(events_.read([this](const nlmsghdr& message) {
    mtu_bytes_ = mtu_of(message, index_).value_or(mtu_bytes_);
  }));
  return mtu_bytes_ != before ? std::optional(mtu_bytes_) : std::nullopt;
}

} // namespace slirpstack
