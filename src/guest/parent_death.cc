#include "guest/parent_death.hh"

#include "base/error.hh"

#include <csignal>
#include <sys/prctl.h>
#include <unistd.h>

namespace slirpstack {

void exit_with_parent(pid_t parent)
{
  system_call("ask for a signal at the parent's death", ::prctl(PR_SET_PDEATHSIG, SIGTERM));
  if (::getppid() != parent) {
    system_call("end with the parent", ::raise(SIGTERM));
  }
}

} // namespace slirpstack
