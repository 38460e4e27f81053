#pragma once

#include "base/file_descriptor.hh"
#include "flow/host_network.hh"
#include "host/socket_address.hh"
#include "host/socket_set.hh"

#include <chrono>
#include <optional>

namespace slirpstack {

/// The options of a TCP socket of ours, connected or listening. `idle` is when the kernel starts to
/// probe a silent peer.
void set_stream_options(int descriptor, std::chrono::seconds idle);

/// A stream of the host: a TCP connection or one over a Unix socket, that we have made or accepted.
class StreamSocket final
  : public HostStream
  , private SocketHandler
{
public:
  /// See HostNetwork::connect. `idle` is when the kernel starts to probe a silent peer.
  static Opened<HostStream> connect(SocketSet& sockets,
                                    const SocketAddress& to,
                                    const StreamOptions& options,
                                    std::chrono::seconds idle,
                                    HostStreamEvents& events);
  /// The same over a Unix socket.
  static Opened<HostStream> connect(SocketSet& sockets,
                                    const UnixPath& to,
                                    HostStreamEvents& events);
  /// Takes a connection that accept() has brought; see AcceptedStream. It has the options of the
  /// socket that listened.
  static Opened<HostStream> accepted(SocketSet& sockets, FileDescriptor descriptor);

  Transfer send(std::span<const iovec> pieces) override;
  Transfer receive(std::span<const iovec> pieces) override;
  Transfer peek(MutableBytes bytes) override;
  void shutdown_send() override;
  void reset_on_close() override;
  void deliver_to(HostStreamEvents& events) override { events_ = &events; }
  [[nodiscard]] std::optional<Endpoint> local() const override;
  [[nodiscard]] std::optional<StreamAddress> remote() const override;

private:
  enum class State : std::uint8_t
  {
    connecting, ///< ends by `finish_connecting()`
    connected,
  };

  StreamSocket(FileDescriptor descriptor, std::optional<Family> family, HostStreamEvents* events);

  std::error_code join(SocketSet& sockets);
  void on_socket_events(std::uint32_t events) override;
  bool finish_connecting(std::uint32_t events);
  [[nodiscard]] HostError connect_error();

  FileDescriptor descriptor_;
  SocketSet::Membership membership_;
  std::optional<Family> family_; ///< nothing: a Unix socket
  HostStreamEvents* events_;
  State state_ = State::connecting;
};

} // namespace slirpstack
