#include "load/echo.hh"
#include "load/number.hh"
#include "load/poller.hh"
#include "load/socket.hh"
#include "load/subcommands.hh"

#include <cerrno>
#include <unordered_map>

namespace slirpstack::bench {

namespace {

constexpr std::uint64_t LISTENER = 0;

/// Sends back what it gets, and does what the first byte of each piece asks for (see echo.hh).
class EchoServer
{
public:
  explicit EchoServer(const SocketAddress& address) : listener_(listen_on(address))
  {
    poller_.add(listener_, EPOLLIN, LISTENER);
  }

  void run(TimePoint deadline)
  {
    while (Clock::now() < deadline) {
      for (const epoll_event& event : poller_.wait(deadline)) {
        event.data.u64 == LISTENER ? accept_all() : serve(event.data.u64);
      }
    }
  }

private:
  struct Peer
  {
    FileDescriptor socket;
    bool keeps = false;
  };

  void accept_all()
  {
    for (;;) {
      FileDescriptor socket(
        ::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!socket) {
        return;
      }
      const std::uint64_t token = ++last_token_;
      poller_.add(socket, EPOLLIN, token);
      peers_.emplace(token, Peer{std::move(socket)});
    }
  }

  void serve(std::uint64_t token)
  {
    const auto found = peers_.find(token);
    if (found == peers_.end()) {
      return;
    }
    Peer& peer = found->second;
    std::array<char, 4096> bytes;
    const ssize_t count = ::recv(peer.socket.get(), bytes.data(), bytes.size(), 0);
    if (count > 0) {
      echo(peer, std::string_view(bytes.data(), static_cast<std::size_t>(count)));
    } else if (count == 0 && peer.keeps) {
      poller_.change(peer.socket, 0, token); // else the end of the stream is reported for ever
    } else if (count == 0 || errno != EAGAIN) {
      peers_.erase(found);
    }
  }

  static void echo(Peer& peer, std::string_view bytes)
  {
    // A piece is at most one request; the socket's buffer takes it whole.
    ::send(peer.socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (bytes.front() == ECHO_AND_KEEP) {
      peer.keeps = true;
    } else if (bytes.front() == ECHO_AND_SHUT) {
      ::shutdown(peer.socket.get(), SHUT_WR);
    }
  }

  Poller poller_;
  FileDescriptor listener_;
  std::unordered_map<std::uint64_t, Peer> peers_;
  std::uint64_t last_token_ = LISTENER;
};

} // namespace

void run_echo_server(const Arguments& arguments)
{
  EchoServer server(SocketAddress(arguments[0], arguments[1]));
  announce_ready();
  server.run(Clock::now() + parse_seconds(arguments[2]));
}

} // namespace slirpstack::bench
