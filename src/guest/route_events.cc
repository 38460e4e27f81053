#include "guest/route_events.hh"

#include "base/error.hh"

#include <array>
#include <cerrno>
#include <libmnl/libmnl.h>
#include <sys/socket.h>

namespace slirpstack {

namespace {

constexpr std::size_t BUFFER_BYTES = 32768; // as large as the kernel makes them
constexpr int RECEIVED_AT_ONCE = 64;

} // namespace

void for_each_message(ByteView messages, const RouteMessageVisitor& visit)
{
  while (messages.size() >= sizeof(nlmsghdr)) {
    const auto* const message = reinterpret_cast<const nlmsghdr*>(messages.data());
    const std::size_t length = message->nlmsg_len;
    // libmnl reads attributes up to the next multiple of four, as the kernel's lengths are.
    if (length < sizeof *message || length > messages.size()
        || MNL_ALIGN(length) > messages.size()) {
      break;
    }
    visit(*message);
    messages = messages.subspan(MNL_ALIGN(length));
  }
}

FileDescriptor RouteEvents::open_socket(unsigned groups)
{
  FileDescriptor socket(
    system_call("open an rtnetlink socket",
                ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE)));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  system_call("bind an rtnetlink socket",
              ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
  return socket;
}

bool RouteEvents::read(const RouteMessageVisitor& visit) const
{
  alignas(nlmsghdr) std::array<char, BUFFER_BYTES> buffer; // NOLINT: only what is received is read
  bool is_complete = true;
  for (int count = 0; count < RECEIVED_AT_ONCE; ++count) {
    sockaddr_nl sender{};
    socklen_t sender_bytes = sizeof sender;
    const ssize_t length = ::recvfrom(socket_.get(),
                                      buffer.data(),
                                      buffer.size(),
                                      0,
                                      reinterpret_cast<sockaddr*>(&sender),
                                      &sender_bytes);
    if (length < 0 && errno == ENOBUFS) {
      is_complete = false;
      continue;
    }
    if (length <= 0) {
      break;
    }
    if (sender.nl_pid == 0) { // the kernel, not a process of the namespace
      for_each_message(
        {reinterpret_cast<const std::uint8_t*>(buffer.data()), static_cast<std::size_t>(length)},
        visit);
    }
  }
  return is_complete;
}

} // namespace slirpstack
