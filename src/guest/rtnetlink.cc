#include "guest/rtnetlink.hh"

#include "base/error.hh"

#include <sys/socket.h>
#include <vector>

namespace slirpstack {

RouteRequest::RouteRequest(unsigned type, unsigned flags)
{
  nlmsghdr& message = *mnl_nlmsg_put_header(buffer_.data());
  message.nlmsg_type = static_cast<std::uint16_t>(type);
  message.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
}

void RouteRequest::put(unsigned attribute, std::uint32_t value)
{
  mnl_attr_put_u32(&header(), static_cast<std::uint16_t>(attribute), value);
}

void RouteRequest::put(unsigned attribute, const std::string& text)
{
  mnl_attr_put_strz(&header(), static_cast<std::uint16_t>(attribute), text.c_str());
}

void RouteRequest::put(unsigned attribute, ByteView bytes)
{
  mnl_attr_put(&header(), static_cast<std::uint16_t>(attribute), bytes.size(), bytes.data());
}

RouteSocket::RouteSocket()
  : socket_(system_call("open an rtnetlink socket",
                        ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)))
{
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t length_bytes = sizeof address;
  system_call("bind an rtnetlink socket", ::bind(socket_.get(), generic, length_bytes));
  system_call("name an rtnetlink socket", ::getsockname(socket_.get(), generic, &length_bytes));
  port_id_ = address.nl_pid;
}

std::error_code RouteSocket::transact(RouteRequest& request, const OnMessage& on_message)
{
  nlmsghdr& header = request.header();
  header.nlmsg_seq = ++sequence_;
  system_call("ask rtnetlink", ::send(socket_.get(), &header, header.nlmsg_len, 0));

  const auto forward = [](const nlmsghdr* message, void* callback) noexcept {
    const OnMessage& each = *static_cast<const OnMessage*>(callback);
    if (each) {
      each(*message);
    }
    return MNL_CB_OK;
  };
  // The kernel fills dumps in pieces of up to 32 KB (netlink_dump).
  std::vector<char> buffer(32768);
  int state = MNL_CB_OK;
  while (state == MNL_CB_OK) {
    const ssize_t length_bytes
      = system_call("hear from rtnetlink", ::recv(socket_.get(), buffer.data(), buffer.size(), 0));
    state = mnl_cb_run(buffer.data(),
                       static_cast<std::size_t>(length_bytes),
                       sequence_,
                       port_id_,
                       forward,
                       const_cast<OnMessage*>(&on_message));
  }
  return state == MNL_CB_ERROR ? last_error() : std::error_code();
}

} // namespace slirpstack
