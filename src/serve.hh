#pragma once

#include "face/config.hh"
#include "face/narrator.hh"

#include <sys/types.h>

namespace slirpstack {

// The main jobs. Each returns the program's exit status and throws what went wrong before the
// guest was connected. `parent` is getppid() as main() began, for -exit-with-parent.

/// Serves the namespaces, process or socket that the configuration names, until they go away.
[[nodiscard]] int serve_namespace(const Config& asked, pid_t parent, Narrator& narrator);

/// Is the NAT between two interfaces of the host, in its kernel; until it is told to end.
[[nodiscard]] int serve_translation(const Config& config, pid_t parent);

/// Runs a command in namespaces of its own and serves it; returns the command's exit status.
[[nodiscard]] int serve_command(const Config& asked, pid_t parent, Narrator& narrator);

} // namespace slirpstack
