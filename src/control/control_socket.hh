#pragma once

#include "control/request_handler.hh"
#include "flow/host_network.hh"

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

namespace slirpstack {

/// A control socket: a Unix socket of the host on which each line is a request and gets one line in
/// answer, in order.
class ControlSocket final : private HostListenerEvents
{
public:
  static constexpr std::size_t MAX_REQUEST_BYTES = 2 << 20; // ten thousand mappings in one batch

  struct Settings
  {
    std::string path;
    unsigned mode = 0600; ///< of its file: for its owner alone
    std::size_t max_clients = 64;
    /// Clients of another user namespace, as guests are, too.
    bool admits_confined = false;
    /// The longest request, which a client may make us keep.
    std::size_t max_request_bytes = MAX_REQUEST_BYTES;
    /// A client that sends more without a pause is sent away: it would keep the loop to itself.
    std::size_t max_requests_at_once = SIZE_MAX;
  };

  /// All references must outlive this. Throws std::system_error when it cannot listen.
  ControlSocket(const Settings& settings, HostNetwork& host, RequestHandler& handler);
  ~ControlSocket() override;
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;
  ControlSocket(ControlSocket&&) = delete;
  ControlSocket& operator=(ControlSocket&&) = delete;

  /// The end of a turn of the loop: clients that have more to say than their part of a turn go on.
  /// True: some have still more.
  [[nodiscard]] bool flush();

private:
  class Client;

  void on_accepted(AcceptedStream&& accepted) override;
  void forget(Client& client);
  void go_on_later(Client& client);

  Settings settings_;
  RequestHandler& handler_;
  std::unique_ptr<HostListener> listener_;
  std::list<std::unique_ptr<Client>> clients_;
  std::vector<Client*> unfinished_;
};

} // namespace slirpstack
