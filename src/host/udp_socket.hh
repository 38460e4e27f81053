#pragma once

#include "base/file_descriptor.hh"
#include "flow/host_network.hh"
#include "host/datagram_slab.hh"
#include "host/error_queue.hh"
#include "host/socket.hh"
#include "host/socket_address.hh"
#include "host/socket_set.hh"

namespace slirpstack {

/// A UDP socket of the host, bound and never connected.
class UdpSocket final
  : public HostDatagrams
  , private SocketHandler
{
public:
  /// What all UDP sockets use; outlives them.
  struct Shared
  {
    SocketSet& sockets;
    DatagramSlab& slab;
    const LinkScopes& scopes;
  };

  /// See HostNetwork::open_datagrams.
  static Opened<HostDatagrams> open(const Shared& shared,
                                    Family family,
                                    const std::optional<SourceAddress>& source,
                                    std::uint16_t port_hint,
                                    HostDatagramEvents& events);

  /// See HostNetwork::listen_datagrams.
  static Opened<HostDatagrams> listen(const Shared& shared,
                                      const ListenOptions& options,
                                      HostDatagramEvents& events);

  void send(std::span<const OutboundDatagram> datagrams,
            SendFailure on_failed,
            void* context) override;
  [[nodiscard]] std::uint16_t port() const override { return port_; }
  [[nodiscard]] Endpoint local_towards(const Endpoint& remote) const override;

private:
  UdpSocket(const Shared& shared,
            FileDescriptor descriptor,
            Family family,
            HostDatagramEvents& events);

  std::error_code bind(const Endpoint& endpoint, std::uint32_t scope = 0);
  std::size_t send_some(std::span<const OutboundDatagram> datagrams, HostError& error);
  HostError send_segments(const OutboundDatagram& datagram);
  HostError send_alone(const OutboundDatagram& datagram);

  void on_socket_events(std::uint32_t events) override;
  bool deliver_errors();
  void deliver_datagrams();

  Shared shared_;
  FileDescriptor descriptor_;
  SocketSet::Membership membership_;
  Family family_;
  HostDatagramEvents& events_;
  PathOptions path_;
  ErrorQueue errors_;
  std::uint16_t port_ = 0;
};

} // namespace slirpstack
