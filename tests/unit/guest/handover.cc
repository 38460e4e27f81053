#include "guest/handover.hh"

#include "base/error.hh"

#include <array>
#include <csignal>
#include <doctest/doctest.h>
#include <sys/prctl.h>
#include <system_error>
#include <unistd.h>

using namespace slirpstack;

namespace {

Handover of_byte(int value)
{
  return {{static_cast<std::byte>(value)}, {}};
}

} // namespace

TEST_CASE("a child hands over bytes and descriptors")
{
  const pid_t parent = ::getpid();
  const Handover handover = run_in_child([parent] {
    std::array<int, 2> ends{};
    system_call("make a pipe", ::pipe(ends.data()));
    const FileDescriptor reading(ends[0]);
    FileDescriptor writing(ends[1]);
    system_call("write", ::write(writing.get(), "x", 1));
    Handover result = of_byte(::getpid() != parent ? 1 : 0);
    result.descriptors.push_back(reading.duplicate());
    return result;
  });
  REQUIRE(handover.bytes.size() == 1);
  CHECK(handover.bytes[0] == std::byte{1});
  REQUIRE(handover.descriptors.size() == 1);
  char letter = 0;
  CHECK(::read(handover.descriptors[0].get(), &letter, 1) == 1);
  CHECK(letter == 'x');
}

TEST_CASE("what is thrown in a child is thrown again in the parent")
{
  const auto missing = [] {
    static_cast<void>(run_in_child([]() -> Handover {
      throw std::system_error(ENODEV, std::generic_category(), "open the interface tun0");
    }));
  };
  CHECK_THROWS_WITH_AS(missing(), "open the interface tun0: No such device", std::system_error);
  const auto wrong
    = [] { static_cast<void>(run_in_child([]() -> Handover { throw UsageError("no tap"); })); };
  CHECK_THROWS_WITH_AS(wrong(), "no tap", UsageError);
  const auto other
    = [] { static_cast<void>(run_in_child([]() -> Handover { throw std::logic_error("odd"); })); };
  CHECK_THROWS_WITH_AS(other(), "odd", std::runtime_error);
}

TEST_CASE("a child that dies is an error, and leaves no zombie")
{
  const auto dies = [] {
    static_cast<void>(run_in_child([] {
      ::raise(SIGKILL);
      return Handover{};
    }));
  };
  CHECK_THROWS_WITH_AS(dies(),
                       "the child that joins the namespace ended without a word (wait status 0x9)",
                       std::runtime_error);
}

TEST_CASE("nobody may look into a child while it works, and no signal reaches it")
{
  REQUIRE(::prctl(PR_GET_DUMPABLE) == 1);
  const Handover handover = run_in_child([] {
    sigset_t blocked;
    ::sigprocmask(SIG_SETMASK, nullptr, &blocked);
    return Handover{{static_cast<std::byte>(::prctl(PR_GET_DUMPABLE)),
                     static_cast<std::byte>(::sigismember(&blocked, SIGTERM))},
                    {}};
  });
  REQUIRE(handover.bytes.size() == 2);
  CHECK(handover.bytes[0] == std::byte{0});
  CHECK(handover.bytes[1] == std::byte{1});
  CHECK(::prctl(PR_GET_DUMPABLE) == 1);
  sigset_t blocked;
  ::sigprocmask(SIG_SETMASK, nullptr, &blocked);
  CHECK(::sigismember(&blocked, SIGTERM) == 0);
}

TEST_CASE("a child may run a child of its own")
{
  const Handover handover = run_in_child([] {
    const int outer = 3;
    const Handover inner = run_in_child([] { return of_byte(4); });
    return of_byte(outer + std::to_integer<int>(inner.bytes.at(0)));
  });
  REQUIRE(handover.bytes.size() == 1);
  CHECK(handover.bytes[0] == std::byte{7});
}
