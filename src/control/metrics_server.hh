#pragma once

#include "control/metrics.hh"
#include "flow/host_network.hh"

#include <functional>
#include <list>
#include <memory>

namespace slirpstack {

/// Answers HTTP on an address or a Unix socket of the host: `/health` with "ok", `/metrics` with
/// the figures of the moment. One request a connection.
class MetricsServer final : private HostListenerEvents
{
public:
  using Snapshot = std::function<MetricsSnapshot()>;

  /// `host` must outlive this. Throws std::system_error when it cannot listen.
  MetricsServer(HostNetwork& host, const ListenOptions& options, Snapshot snapshot);
  ~MetricsServer() override;
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;
  MetricsServer(MetricsServer&&) = delete;
  MetricsServer& operator=(MetricsServer&&) = delete;

  /// Where it listens, with the port that the host has chosen.
  [[nodiscard]] StreamAddress address() const { return listener_->address(); }

private:
  class Client;

  void on_accepted(AcceptedStream&& accepted) override;
  [[nodiscard]] std::string answer_to(std::string_view path, bool is_head) const;
  void forget(Client& client);

  Snapshot snapshot_;
  std::unique_ptr<HostListener> listener_;
  std::list<std::unique_ptr<Client>> clients_; ///< the oldest first
};

} // namespace slirpstack
