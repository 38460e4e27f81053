#include "acceleration.hh"
#include "base/error.hh"
#include "control/accelerator_commands.hh"
#include "control/control_socket.hh"
#include "ending.hh"
#include "face/exit_status.hh"
#include "guest/parent_death.hh"
#include "host/host_sockets.hh"
#include "serve.hh"

#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>

namespace slirpstack {

namespace {

std::unique_ptr<Acceleration> start(const Config& config, Loop& loop)
{
  try {
    return Acceleration::start(config, loop);
  } catch (const AccelerationUnavailable& reason) { // nobody else could do it
    throw StartError(EXIT_FAILURE, reason.what());
  }
}

} // namespace

int serve_translation(const Config& config, pid_t parent)
{
  if (config.lifecycle.exit_with_parent) {
    exit_with_parent(parent);
  }
  ::signal(SIGPIPE, SIG_IGN);
  Loop loop;
  const Ending ending(config, loop);
  const std::unique_ptr<Acceleration> nat = start(config, loop);
  nat->complete();
  HostSockets host(loop, {});
  AcceleratorOnlyCommands commands(*nat, nat->forwards());
  std::optional<ControlSocket> control;
  if (config.control.socket) {
    control.emplace(ControlSocket::Settings{.path = *config.control.socket}, host, commands);
  }
  tell_ready(config);
  loop.run();
  return EXIT_SUCCESS;
}

} // namespace slirpstack
