#pragma once

#include "flow/host_network.hh"
#include "host/datagram_slab.hh"
#include "host/socket_address.hh"
#include "host/socket_set.hh"

#include <chrono>
#include <cstdint>

namespace slirpstack {

/// The host's network by real sockets. It must outlive every socket that it opened.
class HostSockets final : public HostNetwork
{
public:
  struct Options
  {
    /// A TCP connection idle for this long is probed by the kernel, and ended if its peer is gone.
    /// RFC 5382 REQ-5: at least 2 hours 4 minutes.
    std::chrono::seconds tcp_idle{7440};
  };

  /// Throws std::system_error.
  HostSockets(Loop& loop, const Options& options);

  Opened<HostStream> connect(const StreamAddress& to,
                             const StreamOptions& options,
                             HostStreamEvents& events) override;
  Opened<HostListener> listen(const ListenOptions& options, HostListenerEvents& events) override;
  Opened<HostDatagrams> open_datagrams(Family family,
                                       const std::optional<SourceAddress>& source,
                                       std::uint16_t port_hint,
                                       HostDatagramEvents& events) override;
  Opened<HostDatagrams> listen_datagrams(const ListenOptions& options,
                                         HostDatagramEvents& events) override;
  Opened<HostPing> open_ping(Family family,
                             const std::optional<SourceAddress>& source,
                             HostPingEvents& events) override;

  /// Link-local addresses mean nothing without their interface: what is sent to `address` from
  /// now on goes through `interface_index`. For resolvers such as fe80::1%eth0.
  void set_scope(const IpAddress& address, std::uint32_t interface_index);
  /// Gives the receive buffers' memory back to the system; a later burst takes it again.
  void trim();

private:
  Loop& loop_;
  Options options_;
  LinkScopes scopes_;
  DatagramSlab slab_;
  SocketSet sockets_;
};

/// Raises the soft limit of open descriptors to the hard one. Returns the limit in effect.
std::uint64_t raise_descriptor_limit();

} // namespace slirpstack
