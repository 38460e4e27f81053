#pragma once

#include "face/config.hh"
#include "face/narrator.hh"

#include <sys/types.h>

namespace slirpstack {

// The two main jobs. Each returns the program's exit status and throws what went wrong before the
// guest was connected. `parent` is getppid() as main() began, for -exit-with-parent.

/// Serves the namespace, process or socket that the configuration names, until it goes away.
[[nodiscard]] int serve_namespace(const Config& asked, pid_t parent, Narrator& narrator);

/// Runs a command in namespaces of its own and serves it; returns the command's exit status.
[[nodiscard]] int serve_command(const Config& asked, pid_t parent, Narrator& narrator);

} // namespace slirpstack
