#pragma once

#include <sys/types.h>

namespace slirpstack {

/// Runs `body` in a child process that works in our memory, on a stack of its own, while we stand
/// still, as after vfork(2). Descriptors, credentials and namespaces are its own. Comes back when
/// the child has ended, with its id for waitpid(2), or with -1 and errno. fork(2) would copy the
/// tables of our memory, and each page that either of us writes to: a tenth of the time of a start.
///
/// No signal but SIGKILL reaches the child: our handlers are no business of its, and one that is
/// meant for all of a terminal's processes must not end it before we have decided what to do.
/// `body` ends by ::_exit().
[[nodiscard]] pid_t run_as_vfork(int (*body)(void*), void* argument);

} // namespace slirpstack
