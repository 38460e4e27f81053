#pragma once

#include "flow/event_time.hh"
#include "flow/host_network.hh"
#include "wire/proxy_protocol.hh"

#include <functional>
#include <list>
#include <memory>

namespace slirpstack {

/// Clients of listeners that have yet to send their PROXY header. Who takes too long, or sends
/// something else, is reset. What follows the header stays in the socket.
class ProxyClients
{
public:
  using OnHeader = std::function<void(AcceptedStream&&, const ProxyHeader&)>;

  explicit ProxyClients(const EventTime& time);
  ~ProxyClients();
  ProxyClients(const ProxyClients&) = delete;
  ProxyClients& operator=(const ProxyClients&) = delete;
  ProxyClients(ProxyClients&&) = delete;
  ProxyClients& operator=(ProxyClients&&) = delete;

  /// `on_header` gets the client back once its header has come, perhaps before this returns.
  /// `owner` is for `forget`.
  void add(AcceptedStream&& accepted, const void* owner, OnHeader on_header);
  /// Resets the clients of that owner.
  void forget(const void* owner);

  [[nodiscard]] TimePoint next_deadline() const;
  void expire();

private:
  class Client;

  void refuse(Client& client, std::string_view reason);
  [[nodiscard]] std::unique_ptr<Client> take(Client& client);

  const EventTime& time_;
  std::list<std::unique_ptr<Client>> clients_; ///< the oldest first
};

} // namespace slirpstack
