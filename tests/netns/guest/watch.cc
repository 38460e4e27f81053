// The end of what the user named is noticed, and nothing else is taken for it.

#include "base/error.hh"
#include "guest/namespace_watch.hh"
#include "guest/parent_death.hh"
#include "sandbox.hh"

#include <array>
#include <csignal>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace slirpstack;
using namespace slirpstack::testing;

namespace {

bool readable(int fd, int timeout_ms)
{
  pollfd poll_fd{fd, POLLIN, 0};
  return ::poll(&poll_fd, 1, timeout_ms) == 1;
}

} // namespace

TEST_CASE("the end of a process is noticed, by its number and by its path")
{
  for (const bool by_path : {false, true}) {
    CAPTURE(by_path);
    Holder holder({"unshare", "-n"});
    NamespaceWatch watch(by_path
                           ? NamespaceTarget::named(fmt::format("/proc/{}/ns/net", holder.pid()))
                           : NamespaceTarget::of_process(holder.pid()));
    CHECK_FALSE(readable(watch.fd(), 0));
    CHECK_FALSE(watch.gone());
    holder.end();
    CHECK(readable(watch.fd(), 2000));
    CHECK(watch.gone());
  }
}

TEST_CASE("a deleted name is noticed, its neighbours' coming and going is not")
{
  REQUIRE(output_of("ip netns add watched && ip netns add neighbour && echo done") == "done");
  NamespaceWatch watch(NamespaceTarget::named("watched"));
  CHECK_FALSE(watch.gone());
  output_of("ip netns del neighbour");
  CHECK_FALSE(watch.gone());
  output_of("ip netns del watched");
  CHECK(readable(watch.fd(), 2000));
  CHECK(watch.gone());
}

TEST_CASE("a name that stands for another namespace now is gone")
{
  REQUIRE(output_of("ip netns add reused && echo done") == "done");
  NamespaceWatch watch(NamespaceTarget::named("reused"));
  output_of("ip netns del reused && ip netns add reused");
  CHECK(readable(watch.fd(), 2000));
  CHECK(watch.gone());
  output_of("ip netns del reused");
}

TEST_CASE("our own namespace and a descriptor handed over cannot go")
{
  for (const char* text : {"", "/proc/self/ns/net", "/proc/self/fd/0"}) {
    NamespaceWatch watch(NamespaceTarget::named(text));
    CHECK(watch.fd() == -1);
    CHECK_FALSE(watch.gone());
  }
}

TEST_CASE("what is not there cannot be watched")
{
  CHECK_THROWS_AS(NamespaceWatch(NamespaceTarget::named("absent")), std::system_error);
  CHECK_THROWS_AS(NamespaceWatch(NamespaceTarget::of_process(1 << 22)), std::system_error);
}

TEST_CASE("we end with our parent, even with one that has gone before we asked")
{
  as_ourselves([] {
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr); // a child like this one takes no signals
    for (const bool early : {false, true}) {
      std::array<int, 2> ends{};
      system_call("make a pipe", ::pipe2(ends.data(), 0));
      const pid_t parent = system_call("fork", ::fork());
      if (parent == 0) {
        const pid_t us = ::getpid();
        const pid_t child = ::fork();
        if (child == 0) {
          exit_with_parent(early ? us + 1 : us);
          ::pause();
        }
        system_call("tell", ::write(ends[1], &child, sizeof child));
        ::pause();
      }
      pid_t child = 0;
      system_call("hear", ::read(ends[0], &child, sizeof child));
      const FileDescriptor pidfd(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
      if (!early) {
        ::kill(parent, SIGKILL);
      }
      const bool died = readable(pidfd.get(), 2000);
      ::kill(parent, SIGKILL);
      ::waitpid(parent, nullptr, 0);
      expect(died, "the child to end");
    }
  });
}
