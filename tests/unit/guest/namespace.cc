#include "guest/namespace.hh"

#include "base/error.hh"

#include <doctest/doctest.h>

using namespace slirpstack;

TEST_CASE("-netns takes a path, a name below /run/netns, or nothing for our own")
{
  CHECK(NamespaceTarget::named("blue").path == "/run/netns/blue");
  CHECK(NamespaceTarget::named("1234").path == "/run/netns/1234");
  CHECK(NamespaceTarget::named("./blue").path == "./blue");
  CHECK(NamespaceTarget::named("/tmp/blue").path == "/tmp/blue");
  CHECK(NamespaceTarget::named("").path.empty());
  CHECK_THROWS_AS(NamespaceTarget::named(".."), UsageError);
}

TEST_CASE("a path below /proc/PID names that process, so that its end can be watched")
{
  CHECK(NamespaceTarget::named("/proc/31530/ns/net").pid == 31530);
  CHECK(NamespaceTarget::named("/proc/31530/task/31531/ns/net").pid == 31530);
  for (const char* path : {"/proc/self/fd/3", "/proc/self/ns/net", "/run/netns/7", "/proc/", "7"}) {
    CAPTURE(path);
    CHECK_FALSE(NamespaceTarget::named(path).pid.has_value());
  }
}

TEST_CASE("a process is a number above 0")
{
  const NamespaceTarget target = NamespaceTarget::of_process("31530");
  CHECK(target.path == "/proc/31530/ns/net");
  CHECK(target.pid == 31530);
  for (const char* text : {"", "0", "-1", "1x", " 1", "99999999999"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(NamespaceTarget::of_process(text), UsageError);
  }
}
