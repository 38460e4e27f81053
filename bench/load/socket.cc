#include "load/socket.hh"

#include "base/error.hh"
#include "load/number.hh"
#include "wire/address.hh"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

namespace slirpstack::bench {

namespace {

constexpr int LISTEN_BACKLOG = 4096;
constexpr int RECEIVE_BUFFER_BYTES = 16 << 20;

void set_option(const FileDescriptor& socket, int level, int option, int value)
{
  system_call("setsockopt", ::setsockopt(socket.get(), level, option, &value, sizeof value));
}

FileDescriptor stream_socket(int family, int flags)
{
  FileDescriptor socket(
    system_call("open a TCP socket", ::socket(family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0)));
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  return socket;
}

} // namespace

SocketAddress::SocketAddress(std::string_view address, std::string_view port)
{
  const auto parsed = IpAddress::parse(address);
  if (!parsed) {
    throw UsageError(fmt::format("\"{}\" is not an IP address", address));
  }
  const std::uint16_t network_port = htons(parse_number<std::uint16_t>(port));
  const ByteView bytes = parsed->bytes();
  if (parsed->is_ipv4()) {
    sockaddr_in ipv4{.sin_family = AF_INET, .sin_port = network_port};
    std::memcpy(&ipv4.sin_addr, bytes.data(), bytes.size());
    std::memcpy(&storage_, &ipv4, size_ = sizeof ipv4);
  } else {
    sockaddr_in6 ipv6{.sin6_family = AF_INET6, .sin6_port = network_port};
    std::memcpy(&ipv6.sin6_addr, bytes.data(), bytes.size());
    std::memcpy(&storage_, &ipv6, size_ = sizeof ipv6);
  }
}

sockaddr* SocketAddress::data()
{
  return reinterpret_cast<sockaddr*>(&storage_);
}

const sockaddr* SocketAddress::data() const
{
  return reinterpret_cast<const sockaddr*>(&storage_);
}

FileDescriptor connect_to(const SocketAddress& target)
{
  FileDescriptor socket = stream_socket(target.family(), 0);
  system_call("connect", ::connect(socket.get(), target.data(), target.size()));
  return socket;
}

FileDescriptor start_connecting(const SocketAddress& target)
{
  FileDescriptor socket = stream_socket(target.family(), SOCK_NONBLOCK);
  if (::connect(socket.get(), target.data(), target.size()) < 0 && errno != EINPROGRESS) {
    throw_system_error("connect");
  }
  return socket;
}

FileDescriptor listen_on(const SocketAddress& address)
{
  FileDescriptor socket = stream_socket(address.family(), SOCK_NONBLOCK);
  set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1);
  bind_to(socket, address);
  system_call("listen", ::listen(socket.get(), LISTEN_BACKLOG));
  return socket;
}

FileDescriptor datagram_socket(int family)
{
  FileDescriptor socket(
    system_call("open a UDP socket", ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
  set_option(socket, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES);
  return socket;
}

void bind_to(const FileDescriptor& socket, const SocketAddress& address)
{
  system_call("bind", ::bind(socket.get(), address.data(), address.size()));
}

void limit_receive(const FileDescriptor& socket, Duration limit)
{
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(limit).count();
  const timeval value{.tv_sec = microseconds / 1000000, .tv_usec = microseconds % 1000000};
  system_call("set the receive limit",
              ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &value, sizeof value));
}

int pending_error(const FileDescriptor& socket)
{
  int error = 0;
  socklen_t size = sizeof error;
  system_call("getsockopt SO_ERROR",
              ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size));
  return error;
}

void announce_ready()
{
  fmt::print("ready\n");
  std::fflush(stdout);
}

} // namespace slirpstack::bench
