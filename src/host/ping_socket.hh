#pragma once

#include "base/file_descriptor.hh"
#include "flow/host_network.hh"
#include "host/error_queue.hh"
#include "host/socket.hh"
#include "host/socket_address.hh"
#include "host/socket_set.hh"

namespace slirpstack {

/// Sends ICMP echo requests: by a ping socket (IPPROTO_ICMP, SOCK_DGRAM), or by a raw one where
/// the host allows no ping sockets but the process may open raw ones.
class PingSocket final
  : public HostPing
  , private SocketHandler
{
public:
  /// See HostNetwork::open_ping.
  static Opened<HostPing> open(SocketSet& sockets,
                               const LinkScopes& scopes,
                               Family family,
                               const std::optional<SourceAddress>& source,
                               HostPingEvents& events);

  HostError send(const IpAddress& to,
                 std::uint16_t sequence,
                 ByteView data,
                 std::uint8_t hop_limit,
                 bool dont_fragment) override;

private:
  struct Echo
  {
    std::uint16_t sequence = 0;
    ByteView data;
  };

  PingSocket(const LinkScopes& scopes,
             FileDescriptor descriptor,
             bool raw,
             Family family,
             HostPingEvents& events);

  std::error_code prepare(const std::optional<SourceAddress>& source);
  void on_socket_events(std::uint32_t events) override;
  bool deliver_errors();
  void deliver_replies();
  [[nodiscard]] std::optional<Echo> parse(ByteView message, std::uint8_t type) const;
  [[nodiscard]] ByteView without_ip_header(ByteView packet) const;

  const LinkScopes& scopes_;
  FileDescriptor descriptor_;
  SocketSet::Membership membership_;
  bool raw_;
  Family family_;
  HostPingEvents& events_;
  PathOptions path_;
  ErrorQueue errors_;
  /// Ours on a raw socket; the kernel puts its own in on a ping socket.
  std::uint16_t identifier_ = 0;
};

} // namespace slirpstack
