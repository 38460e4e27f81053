#include "face/start_checks.hh"

#include "base/error.hh"
#include "base/file_descriptor.hh"
#include "face/go_flags.hh"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace slirpstack {

namespace {

void check_open(std::string_view name, int number)
{
  if (::fcntl(number, F_GETFD) < 0) {
    throw invalid_value(fmt::format("{}", number), name, "must be an open descriptor");
  }
}

/// An address that is not the host's would fail each flow, without a word about the flag.
void check_is_ours(std::string_view name, const IpAddress& source)
{
  sockaddr_storage storage{};
  socklen_t length_bytes = sizeof(sockaddr_in6);
  if (source.is_ipv4()) {
    auto& address = reinterpret_cast<sockaddr_in&>(storage);
    length_bytes = sizeof address;
    std::memcpy(&address.sin_addr, source.bytes().data(), sizeof address.sin_addr);
  } else {
    auto& address = reinterpret_cast<sockaddr_in6&>(storage);
    std::memcpy(&address.sin6_addr, source.bytes().data(), sizeof address.sin6_addr);
  }
  const int family = source.is_ipv4() ? AF_INET : AF_INET6;
  storage.ss_family = static_cast<sa_family_t>(family);
  const FileDescriptor probe(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (probe && ::bind(probe.get(), reinterpret_cast<const sockaddr*>(&storage), length_bytes) < 0
      && errno == EADDRNOTAVAIL) {
    throw invalid_value(source.to_string(), name, "must be one of this host's own addresses");
  }
}

/// epoll refuses plain files and /dev/null with EPERM.
void check_can_be_watched(std::string_view name, int number)
{
  const FileDescriptor poll(system_call("make an epoll", ::epoll_create1(EPOLL_CLOEXEC)));
  epoll_event event{};
  if (::epoll_ctl(poll.get(), EPOLL_CTL_ADD, number, &event) < 0 && errno == EPERM) {
    throw invalid_value(fmt::format("{}", number), name, "must be a pipe or a socket, no file");
  }
}

} // namespace

void check_descriptors(const Config& config)
{
  if (config.lifecycle.ready_fd) {
    check_open("ready-fd", *config.lifecycle.ready_fd);
    if ((::fcntl(*config.lifecycle.ready_fd, F_GETFL) & O_ACCMODE) == O_RDONLY) {
      throw invalid_value(
        fmt::format("{}", *config.lifecycle.ready_fd), "ready-fd", "must be open for writing");
    }
  }
  if (config.lifecycle.exit_fd) {
    check_open("exit-fd", *config.lifecycle.exit_fd);
    check_can_be_watched("exit-fd", *config.lifecycle.exit_fd);
  }
  if (config.attach.fd) {
    check_open("fd", *config.attach.fd);
    int type = 0;
    socklen_t length = sizeof type;
    const int result = ::getsockopt(*config.attach.fd, SOL_SOCKET, SO_TYPE, &type, &length);
    if (result < 0 || (type != SOCK_DGRAM && type != SOCK_SEQPACKET)) {
      throw invalid_value(fmt::format("{}", *config.attach.fd),
                          "fd",
                          "must be a datagram socket, an Ethernet frame in each datagram");
    }
  }
}

void check_sources(const Config& config)
{
  if (config.egress.source_ipv4) {
    check_is_ours("source-ipv4", *config.egress.source_ipv4);
  }
  if (config.egress.source_ipv6) {
    check_is_ours("source-ipv6", *config.egress.source_ipv6);
  }
}

} // namespace slirpstack
