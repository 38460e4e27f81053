#pragma once

#include <sys/types.h>

namespace slirpstack {

/// From now on we get SIGTERM when our parent process dies (`-exit-with-parent`). `parent` is
/// getppid() as main() began: had it died since, the signal comes at once. It is the kernel's
/// "parent death signal", prctl(2), so it also comes when the parent's *thread* that started us
/// ends. Throws std::system_error.
void exit_with_parent(pid_t parent);

} // namespace slirpstack
