// Who made a user namespace may join it and all below it in one step; from inside a nested one the
// outer's network namespace is out of reach. guest/namespace therefore joins the owner that
// NS_GET_USERNS tells, not the user namespace of the process named (bubblewrap nests one).
#include "kernel.hh"

#include <csignal>
#include <linux/nsfs.h>
#include <sys/prctl.h>
#include <sys/wait.h>

namespace {

int parent_half(pid_t child)
{
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/ns/net", child);
  const int net = ::open(path, O_RDONLY | O_CLOEXEC);
  std::snprintf(path, sizeof path, "/proc/%d/ns/user", child);
  const int nested = ::open(path, O_RDONLY | O_CLOEXEC);
  require(net >= 0 && nested >= 0, "the child's namespaces can be opened by the same user");
  const int owner = ::ioctl(net, NS_GET_USERNS);
  require(owner >= 0, "the network namespace tells its owner");

  const pid_t wrong = ::fork();
  if (wrong == 0) {
    require(::setns(nested, CLONE_NEWUSER) == 0, "the nested user namespace can be joined at once");
    require(::setns(net, CLONE_NEWNET) < 0 && errno == EPERM, "but is of no use for the network");
    ::_exit(0);
  }
  int status = 0;
  require(::waitpid(wrong, &status, 0) == wrong && status == 0, "joining the nested one");
  require(::setns(owner, CLONE_NEWUSER) == 0, "the owner can be joined");
  require(::setns(net, CLONE_NEWNET) == 0, "and then the network namespace");
  return 0;
}

} // namespace

int main()
{
  if (::geteuid() == 0
      && (::setresgid(54321, 54321, 54321) != 0 || ::setresuid(54321, 54321, 54321) != 0)) {
    skip("cannot become an ordinary user");
  }
  ::prctl(PR_SET_DUMPABLE, 1); // or /proc/self is root's until the next execve()
  int ready[2];
  require(::pipe2(ready, O_CLOEXEC) == 0, "a pipe can be made");
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    become_namespace_root(CLONE_NEWNET);
    require(::unshare(CLONE_NEWUSER) == 0, "a user namespace nests");
    require(::write(ready[1], "r", 1) == 1, "the parent hears");
    ::pause();
  }
  ::close(ready[1]);
  char byte = 0;
  int status = 0;
  if (::read(ready[0], &byte, 1) != 1) {
    ::waitpid(child, &status, 0);
    return WEXITSTATUS(status);
  }
  const int result = parent_half(child);
  ::kill(child, SIGKILL);
  return result;
}
