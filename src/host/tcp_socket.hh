#pragma once

#include "base/file_descriptor.hh"
#include "flow/host_network.hh"
#include "host/socket_address.hh"
#include "host/socket_set.hh"

#include <chrono>

namespace slirpstack {

/// A TCP connection of the host.
class TcpSocket final
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

  Transfer send(std::span<const iovec> pieces) override;
  Transfer receive(std::span<const iovec> pieces) override;
  void shutdown_send() override;
  void reset_on_close() override;

private:
  TcpSocket(FileDescriptor descriptor, Family family, HostStreamEvents& events);

  void on_socket_events(std::uint32_t events) override;
  bool finish_connecting(std::uint32_t events);
  [[nodiscard]] HostError connect_error();

  FileDescriptor descriptor_;
  SocketSet::Membership membership_;
  Family family_;
  HostStreamEvents& events_;
  bool connecting_ = true;
};

} // namespace slirpstack
