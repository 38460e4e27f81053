#include "guest/vfork.hh"

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace slirpstack {

namespace {

/// Below it lies a page that cannot be written to, so that it cannot grow into anything.
class Stack
{
public:
  Stack() : bottom_(::mmap(nullptr, SIZE_BYTES, PROT_NONE, FLAGS, -1, 0))
  {
    if (is_there()) {
      ::mprotect(bottom() + GUARD_BYTES, SIZE_BYTES - GUARD_BYTES, PROT_READ | PROT_WRITE);
    }
  }
  ~Stack()
  {
    if (is_there()) {
      ::munmap(bottom_, SIZE_BYTES);
    }
  }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  [[nodiscard]] bool is_there() const { return bottom_ != MAP_FAILED; }
  [[nodiscard]] void* top() const { return bottom() + SIZE_BYTES; }

private:
  static constexpr std::size_t SIZE_BYTES = 256 << 10;
  static constexpr std::size_t GUARD_BYTES = 64 << 10; // the largest page of any processor
  static constexpr int FLAGS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK;

  [[nodiscard]] std::byte* bottom() const { return static_cast<std::byte*>(bottom_); }

  void* bottom_;
};

/// While the child is in the guest's user namespace, processes there may have CAP_SYS_PTRACE over
/// it. What they could write to would be our own memory, so ptrace(2) is denied to them.
class Undumpable
{
public:
  Undumpable() : before_(::prctl(PR_GET_DUMPABLE)) { ::prctl(PR_SET_DUMPABLE, 0); }
  ~Undumpable() { ::prctl(PR_SET_DUMPABLE, before_); }
  Undumpable(const Undumpable&) = delete;
  Undumpable& operator=(const Undumpable&) = delete;

private:
  int before_;
};

class NoSignals
{
public:
  NoSignals()
  {
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, &before_);
  }
  ~NoSignals() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }
  NoSignals(const NoSignals&) = delete;
  NoSignals& operator=(const NoSignals&) = delete;

private:
  sigset_t before_{};
};

pid_t start(int (*body)(void*), void* argument)
{
#ifdef __SANITIZE_ADDRESS__ // it knows nothing of stacks made here
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::_exit(body(argument));
  }
  return pid;
#else
  const Stack stack;
  if (!stack.is_there()) {
    return -1;
  }
  const pid_t pid = ::clone(body, stack.top(), CLONE_VM | CLONE_VFORK | SIGCHLD, argument);
  return pid;
#endif
}

} // namespace

pid_t run_as_vfork(int (*body)(void*), void* argument)
{
  const Undumpable undumpable;
  const NoSignals no_signals;
  return start(body, argument);
}

} // namespace slirpstack
