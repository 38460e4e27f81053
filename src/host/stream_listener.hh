#pragma once

#include "base/file_descriptor.hh"
#include "flow/host_network.hh"
#include "host/loop.hh"
#include "host/socket_set.hh"

#include <chrono>
#include <string>

namespace slirpstack {

/// A bound and listening socket, and what has to be undone in the end.
class ListeningSocket
{
public:
  ListeningSocket() = default;
  /// Throws nothing: `error` is set when it could not be made.
  static ListeningSocket open(const ListenOptions& options, std::error_code& error);
  ~ListeningSocket();
  ListeningSocket(ListeningSocket&& other) noexcept;
  ListeningSocket& operator=(ListeningSocket&&) = delete;
  ListeningSocket(const ListeningSocket&) = delete;
  ListeningSocket& operator=(const ListeningSocket&) = delete;

  [[nodiscard]] int fd() const { return descriptor_.get(); }
  [[nodiscard]] StreamAddress address() const;
  [[nodiscard]] bool is_tcp() const { return path_.empty(); }

private:
  FileDescriptor descriptor_;
  std::string path_; ///< of a Unix socket
};

/// A HostListener by such a socket.
class StreamListener final
  : public HostListener
  , private SocketHandler
{
public:
  /// See HostNetwork::listen. `idle` is when the kernel starts to probe a silent client.
  static Opened<HostListener> open(Loop& loop,
                                   SocketSet& sockets,
                                   std::chrono::seconds idle,
                                   const ListenOptions& options,
                                   HostListenerEvents& events);

  [[nodiscard]] StreamAddress address() const override { return socket_.address(); }

private:
  StreamListener(Loop& loop,
                 SocketSet& sockets,
                 ListeningSocket socket,
                 HostListenerEvents& events);

  void on_socket_events(std::uint32_t events) override;
  [[nodiscard]] bool accept_one();
  void accept_again();

  SocketSet& sockets_;
  ListeningSocket socket_;
  SocketSet::Membership membership_;
  Timer retry_;
  HostListenerEvents& events_;
};

} // namespace slirpstack
