#pragma once

#include "flow/forward.hh"
#include "flow/prefix_map.hh"
#include "gateway/proxy_clients.hh"
#include "gateway/tcp_relays.hh"

#include <memory>

namespace slirpstack {

/// A socket that listens on the host for a local TCP forward (`-L`). Connections that it has
/// accepted go on without it, but for those whose PROXY header has not come yet.
class TcpListener final : private HostListenerEvents
{
public:
  /// Opens nothing yet. `forward_id`: for the flows' records.
  TcpListener(TcpRelays& relays,
              ProxyClients& clients,
              const PrefixMap& prefixes,
              const LocalForward& forward,
              std::uint32_t forward_id);
  ~TcpListener() override;
  TcpListener(const TcpListener&) = delete;
  TcpListener& operator=(const TcpListener&) = delete;
  TcpListener(TcpListener&&) = delete;
  TcpListener& operator=(TcpListener&&) = delete;

  /// Only then may anything else be called.
  HostError open(HostNetwork& host);
  [[nodiscard]] StreamAddress address() const { return socket_->address(); }

private:
  void on_accepted(AcceptedStream&& accepted) override;
  /// `asked_for` is where the client had wanted to go, which may choose the guest's port, and its
  /// address where that is mapped.
  void connect(std::unique_ptr<HostStream> stream,
               const std::optional<Endpoint>& client,
               const std::optional<Endpoint>& asked_for);

  TcpRelays& relays_;
  ProxyClients& clients_;
  const PrefixMap& prefixes_;
  LocalForward forward_;
  std::uint32_t forward_id_;
  std::unique_ptr<HostListener> socket_;
};

} // namespace slirpstack
