#pragma once

#include "control/commands.hh"
#include "flow/host_network.hh"

#include <list>
#include <memory>
#include <string>

namespace slirpstack {

/// The control socket: a Unix socket of the host, for its owner alone (mode 0600), on which each
/// line is a request and gets one line in answer, in order.
class ControlSocket final : private HostListenerEvents
{
public:
  /// All references must outlive this. Throws std::system_error when it cannot listen.
  ControlSocket(const std::string& path, HostNetwork& host, Commands& commands);
  ~ControlSocket() override;
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;
  ControlSocket(ControlSocket&&) = delete;
  ControlSocket& operator=(ControlSocket&&) = delete;

private:
  class Client;

  void on_accepted(AcceptedStream&& accepted) override;
  void forget(Client& client);

  Commands& commands_;
  std::unique_ptr<HostListener> listener_;
  std::list<std::unique_ptr<Client>> clients_;
};

} // namespace slirpstack
