#include "ending.hh"

#include "base/error.hh"
#include "base/file_descriptor.hh"
#include "base/log.hh"

#include <csignal>
#include <unistd.h>
#include <utility>

namespace slirpstack {

Ending::Ending(const Config& config, Loop& loop, std::function<void()> on_reload)
  : terminate_(loop, SIGTERM, [&loop] { loop.stop(); })
  , interrupt_(loop, SIGINT, [&loop] { loop.stop(); })
{
  if (config.egress.rules_file) {
    hang_up_.emplace(loop, SIGHUP, std::move(on_reload));
  } else if (!is_ignored(SIGHUP)) {
    hang_up_.emplace(loop, SIGHUP, [&loop] { loop.stop(); });
  }
  if (config.lifecycle.exit_fd) {
    exit_watch_.emplace(loop, *config.lifecycle.exit_fd, [&loop] { loop.stop(); });
  }
}

bool is_ignored(int number)
{
  struct sigaction action = {};
  return ::sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

void tell_ready(const Config& config)
{
  if (const auto number = config.lifecycle.ready_fd) {
    const FileDescriptor ready(*number);
    if (::write(ready.get(), "1\n", 2) < 0) { // whoever waited no longer does; the guest still runs
      log(LogLevel::warning, "-ready-fd could not be told", {{"reason", last_error().message()}});
    }
  }
}

} // namespace slirpstack
