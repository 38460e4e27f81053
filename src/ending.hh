#pragma once

#include "face/config.hh"
#include "host/loop.hh"

#include <functional>
#include <optional>

namespace slirpstack {

/// What tells the program to end, apart from its guests: signals, and `-exit-fd`.
class Ending
{
public:
  /// With a rules file SIGHUP is `on_reload`, as daemons have it; else the end, unless it is
  /// ignored. `loop` must outlive this.
  Ending(const Config& config, Loop& loop, std::function<void()> on_reload);

private:
  Signal terminate_;
  Signal interrupt_;
  std::optional<Signal> hang_up_;
  std::optional<Watch> exit_watch_;
};

/// As nohup(1) leaves SIGHUP.
[[nodiscard]] bool is_ignored(int number);

/// Tells whoever waits on `-ready-fd`.
void tell_ready(const Config& config);

} // namespace slirpstack
