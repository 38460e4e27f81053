#include "host/stream_listener.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "host/socket.hh"
#include "host/socket_address.hh"
#include "host/stream_socket.hh"
#include "host/unix_address.hh"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/nsfs.h>
#include <optional>
#include <string>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace slirpstack {

namespace {

// What one listener may take of a turn before the others come first.
constexpr int ACCEPTS_PER_TURN = 64;

// Out of descriptors: the clients wait in the kernel's queue until some flow has ended.
constexpr std::chrono::milliseconds ACCEPT_AGAIN_TIME(100);

FileDescriptor open_bound(const Endpoint& endpoint,
                          const ListenOptions& options,
                          bool both_families,
                          std::error_code& error)
{
  FileDescriptor descriptor = open_socket(endpoint.address.family(), SOCK_STREAM);
  if (!descriptor) {
    error = last_error();
    return {};
  }
  const int number = descriptor.get();
  set_option(number, SOL_SOCKET, SO_REUSEADDR, 1);
  if (endpoint.address.is_ipv6()) {
    set_option(number, IPPROTO_IPV6, IPV6_V6ONLY, both_families ? 0 : 1);
  }
  if (options.is_foreign) {
    allow_foreign_address(number, endpoint.address.family());
  }
  error = bind_to_device(number, options.device);
  const SocketAddress address(endpoint, scope_of(endpoint.address, options.device));
  if (!error && ::bind(number, address.data(), address.size()) < 0) {
    error = last_error();
  }
  return descriptor;
}

FileDescriptor open_internet(const ListenOptions& options, std::error_code& error)
{
  const auto& endpoint = std::get<Endpoint>(options.address);
  if (!endpoint.address.is_unspecified()) {
    return open_bound(endpoint, options, false, error);
  }
  FileDescriptor descriptor
    = open_bound({IpAddress::any(Family::ipv6), endpoint.port}, options, true, error);
  if (error == std::errc::address_family_not_supported
      || error == std::errc::address_not_available) { // a host without IPv6
    error = {};
    return open_bound({IpAddress::any(Family::ipv4), endpoint.port}, options, false, error);
  }
  return descriptor;
}

/// Whether a socket's file is there that nobody listens on any more. A file that is no socket
/// refuses connections too.
bool is_stale(const std::string& path, const UnixAddress& address)
{
  struct stat status = {};
  if (::lstat(path.c_str(), &status) < 0 || !S_ISSOCK(status.st_mode)) {
    return false;
  }
  // Not to wait for a listener whose queue is full: that one is alive.
  const FileDescriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  return probe && ::connect(probe.get(), address.data(), address.size()) < 0
         && errno == ECONNREFUSED;
}

FileDescriptor open_user_namespace(const std::string& process)
{
  return FileDescriptor(
    ::open(fmt::format("/proc/{}/ns/user", process).c_str(), O_RDONLY | O_CLOEXEC));
}

bool is_same_file(const FileDescriptor& one, const FileDescriptor& other)
{
  struct stat first = {};
  struct stat second = {};
  return ::fstat(one.get(), &first) == 0 && ::fstat(other.get(), &second) == 0
         && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

/// Whether a Unix socket's client lives in a user namespace below ours, as our guests do. Of one
/// that is beside or above ours the permissions of the socket's file decide; so they do of a
/// process that is closed to us, unless it is one of our own user, whose guests we could not tell
/// apart. One that has ended may have been a guest's.
bool is_confined(int descriptor)
{
  ucred peer = {};
  socklen_t size = sizeof peer;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
    return true;
  }
  const FileDescriptor ours = open_user_namespace("self");
  FileDescriptor theirs = open_user_namespace(std::to_string(peer.pid));
  if (!theirs && errno == EACCES) {
    return peer.uid == ::geteuid();
  }
  if (!ours || !theirs) {
    return true;
  }
  if (is_same_file(theirs, ours)) {
    return false;
  }
  do { // the kernel shows no parent but those at or below ours
    theirs = FileDescriptor(::ioctl(theirs.get(), NS_GET_PARENT));
  } while (theirs && !is_same_file(theirs, ours));
  return static_cast<bool>(theirs);
}

FileDescriptor open_unix(const UnixPath& path, mode_t mode, std::error_code& error)
{
  const auto address = UnixAddress::of(path);
  FileDescriptor descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!address || !descriptor) {
    error = address ? last_error() : std::make_error_code(std::errc::filename_too_long);
    return {};
  }
  const auto bind = [&] {
    const mode_t before = ::umask(~mode & (S_IRWXU | S_IRWXG | S_IRWXO));
    const int result = ::bind(descriptor.get(), address->data(), address->size());
    error = result < 0 ? last_error() : std::error_code();
    ::umask(before);
  };
  bind();
  if (error == std::errc::address_in_use && is_stale(path.path, *address)) {
    ::unlink(path.path.c_str());
    bind();
  }
  return descriptor;
}

} // namespace

ListeningSocket ListeningSocket::open(const ListenOptions& options, std::error_code& error)
{
  ListeningSocket socket;
  const auto* path = std::get_if<UnixPath>(&options.address);
  socket.descriptor_
    = path != nullptr ? open_unix(*path, options.unix_mode, error) : open_internet(options, error);
  if (!error && path != nullptr) {
    socket.path_ = path->path;
  }
  if (!error && ::listen(socket.fd(), SOMAXCONN) < 0) {
    error = last_error();
  }
  return socket;
}

ListeningSocket::ListeningSocket(ListeningSocket&& other) noexcept
  : descriptor_(std::move(other.descriptor_)), path_(std::exchange(other.path_, {}))
{}

ListeningSocket::~ListeningSocket()
{
  if (!path_.empty() && path_.front() != '@') {
    ::unlink(path_.c_str());
  }
}

StreamAddress ListeningSocket::address() const
{
  if (!path_.empty()) {
    return UnixPath{path_};
  }
  SocketAddress address;
  socklen_t size = SocketAddress::CAPACITY;
  ::getsockname(fd(), address.data(), &size);
  return address.endpoint();
}

StreamListener::StreamListener(Loop& loop,
                               SocketSet& sockets,
                               ListeningSocket socket,
                               HostListenerEvents& events)
  : sockets_(sockets)
  , socket_(std::move(socket))
  , retry_(loop, [this] { accept_again(); })
  , events_(events)
{}

Opened<HostListener> StreamListener::open(Loop& loop,
                                          SocketSet& sockets,
                                          std::chrono::seconds idle,
                                          const ListenOptions& options,
                                          HostListenerEvents& events)
{
  std::error_code error;
  ListeningSocket socket = ListeningSocket::open(options, error);
  if (error) {
    return not_opened<HostListener>(error);
  }
  const int number = socket.fd();
  if (socket.is_tcp()) {
    set_stream_options(number, idle); // those that it accepts inherit them
  }
  std::unique_ptr<StreamListener> listener(
    new StreamListener(loop, sockets, std::move(socket), events));
  error = sockets.add(number, EPOLLIN, *listener, listener->membership_);
  if (error) {
    return not_opened<HostListener>(error);
  }
  return {std::move(listener), {}};
}

void StreamListener::on_socket_events(std::uint32_t)
{
  const SocketSet::Liveness self(membership_);
  for (int accepted = 0; accepted < ACCEPTS_PER_TURN; ++accepted) {
    if (!accept_one() || !self.alive()) {
      return;
    }
  }
  accept_again();
}

/// False: there is nobody, or no descriptor for him.
bool StreamListener::accept_one()
{
  SocketAddress peer;
  socklen_t size = SocketAddress::CAPACITY;
  FileDescriptor descriptor(
    ::accept4(socket_.fd(), peer.data(), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!descriptor) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      log(LogLevel::warning,
          "no client is taken for want of descriptors or memory",
          {{"listening", to_string(address())}, {"reason", last_error().message()}});
      retry_.set(Loop::now() + ACCEPT_AGAIN_TIME);
      return false;
    }
    return errno != EAGAIN; // a client that has gone again
  }
  const int number = descriptor.get();
  auto opened = StreamSocket::accepted(sockets_, std::move(descriptor));
  if (!opened.socket) {
    return true;
  }
  AcceptedStream accepted{.stream = std::move(opened.socket), .peer = {}, .local = {}};
  if (socket_.is_tcp()) {
    accepted.peer = peer.unmapped_endpoint();
    accepted.local = accepted.stream->local();
  } else {
    accepted.is_confined = is_confined(number);
  }
  events_.on_accepted(std::move(accepted));
  return true;
}

void StreamListener::accept_again()
{
  membership_.watch(socket_.fd(), EPOLLIN);
}

} // namespace slirpstack
