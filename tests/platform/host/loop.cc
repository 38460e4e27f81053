#include "host/loop.hh"

#include "base/interrupted.hh"
#include "test_namespace.hh"

#include <array>
#include <csignal>
#include <doctest/doctest.h>
#include <memory>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

struct Pipe
{
  Pipe()
  {
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    read = FileDescriptor(ends[0]);
    write = FileDescriptor(ends[1]);
  }
  void put() const { CHECK(::write(write.get(), "x", 1) == 1); }
  void get() const
  {
    char byte = 0;
    CHECK(::read(read.get(), &byte, 1) == 1);
  }
  FileDescriptor read;
  FileDescriptor write;
};

} // namespace

TEST_CASE("waiting ends with a timer that was due before it began")
{
  Loop loop;
  const Pipe pipe; // something else to wait for
  const Watch watch(loop, pipe.read.get(), [] {});
  bool done = false;
  bool too_late = false;
  Timer timer(loop, [&] { done = true; });
  Timer guard(loop, [&] { too_late = true; });
  guard.set(Loop::now() + std::chrono::seconds(2));
  const TimePoint due = Loop::now();
  timer.set(due);
  while (Loop::now() < due + std::chrono::milliseconds(3)) {} // as a busy machine lets us wait
  loop.run_until([&] { return done; });
  CHECK(done);
  CHECK_FALSE(too_late);
  CHECK(Loop::now() < due + std::chrono::milliseconds(1500));
}

TEST_CASE("a timer fires once, and not before its deadline")
{
  Loop loop;
  int fired = 0;
  TimePoint fired_at{};
  Timer timer(loop, [&] {
    ++fired;
    fired_at = Loop::now();
  });
  const TimePoint deadline = Loop::now() + std::chrono::microseconds(7300);
  timer.set(deadline);
  CHECK(timer.deadline() == deadline);
  CHECK(run_until(loop, [&] { return fired > 0; }));
  CHECK(fired_at >= deadline);
  CHECK(timer.deadline() == NEVER);
  run_quietly(loop);
  CHECK(fired == 1);
}

TEST_CASE("a timer whose deadline has passed fires in the next turn")
{
  Loop loop;
  bool fired = false;
  Timer timer(loop, [&] { fired = true; });
  timer.set(Loop::now() - std::chrono::hours(1));
  CHECK(run_until(loop, [&] { return fired; }));
}

TEST_CASE("a cleared timer does not fire")
{
  Loop loop;
  bool fired = false;
  Timer timer(loop, [&] { fired = true; });
  timer.set(Loop::now() + std::chrono::milliseconds(1));
  timer.clear();
  run_quietly(loop);
  CHECK_FALSE(fired);
}

TEST_CASE("a watch may be destroyed from inside its callback")
{
  Loop loop;
  const Pipe pipe;
  int calls = 0;
  std::unique_ptr<Watch> watch;
  watch = std::make_unique<Watch>(loop, pipe.read.get(), [&] {
    watch.reset();
    ++calls; // what the callback captured is still there
  });
  pipe.put();
  CHECK(run_until(loop, [&] { return calls > 0; }));
  run_quietly(loop);
  CHECK(calls == 1);
}

TEST_CASE("what callbacks batch is flushed once before the loop blocks, timers included")
{
  Loop loop;
  const Pipe first;
  const Pipe second;
  std::vector<std::string> order;
  const Watch watch_first(loop, first.read.get(), [&] {
    first.get();
    order.emplace_back("event");
  });
  const Watch watch_second(loop, second.read.get(), [&] {
    second.get();
    order.emplace_back("event");
  });
  const LoopTurns turns(
    loop,
    [&] { order.emplace_back("before"); },
    [&] {
      order.emplace_back("after");
      loop.stop();
    });
  first.put();
  second.put();
  loop.run();
  CHECK(order == std::vector<std::string>{"before", "event", "event", "after"});

  order.clear();
  Timer timer(loop, [&] { order.emplace_back("timer"); });
  timer.set(Loop::now());
  loop.run();
  CHECK(order == std::vector<std::string>{"before", "timer", "after"});
}

TEST_CASE("a stop interrupts what is run until")
{
  Loop loop;
  Timer timer(loop, [&] { loop.stop(); });
  timer.set(Loop::now());
  CHECK_THROWS_AS(loop.run_until([] { return false; }), Interrupted);
}

TEST_CASE("a stop in the turn in which run_until ends is for what is run next")
{
  Loop loop;
  bool done = false;
  Timer timer(loop, [&] {
    done = true;
    loop.stop();
  });
  const auto run_out = [&] {
    done = false;
    timer.set(Loop::now());
    loop.run_until([&] { return done; });
  };
  run_out();
  CHECK_THROWS_AS(loop.run_until([] { return false; }), Interrupted);
  run_out();
  Timer never(loop, [] { FAIL("the loop did not stop"); });
  never.set(Loop::now() + std::chrono::seconds(5));
  loop.run();
}

TEST_CASE("whoever is gone is not called around the events any more, and the others are")
{
  Loop loop;
  int gone = 0;
  int there = 0;
  {
    const LoopTurns first(loop, {}, [&] { ++gone; });
    const LoopTurns second(loop, {}, [&] { ++gone; });
  }
  const LoopTurns third(loop, {}, [&] {
    ++there;
    loop.stop();
  });
  loop.keep_going();
  loop.run();
  CHECK(gone == 0);
  CHECK(there == 1);
}

TEST_CASE("work left over keeps the loop from blocking until it is done")
{
  Loop loop;
  int left = 5;
  const LoopTurns turns(loop, {}, [&] {
    if (--left > 0) {
      loop.keep_going();
    } else {
      loop.stop();
    }
  });
  const TimePoint start = Loop::now();
  loop.keep_going();
  loop.run();
  CHECK(left == 0);
  CHECK(Loop::now() - start < std::chrono::seconds(1));
}

TEST_CASE("an idle loop does not wake up")
{
  Loop loop;
  const Pipe pipe;
  const Watch watch(loop, pipe.read.get(), [] {});
  Timer unarmed(loop, [] {});
  run_quietly(loop);
  rusage before{};
  ::getrusage(RUSAGE_SELF, &before);
  Timer end(loop, [&] { loop.stop(); });
  end.set(Loop::now() + std::chrono::milliseconds(200));
  loop.run();
  rusage after{};
  ::getrusage(RUSAGE_SELF, &after);
  CHECK(after.ru_nvcsw - before.ru_nvcsw <= 2); // going to sleep, and once more for the end
}

TEST_CASE("spinning after activity ends by itself")
{
  Loop loop;
  const Pipe pipe;
  loop.spin_after_activity(std::chrono::milliseconds(5));
  const Watch watch(loop, pipe.read.get(), [&] { pipe.get(); });
  pipe.put();
  Timer end(loop, [&] { loop.stop(); });
  end.set(Loop::now() + std::chrono::milliseconds(300));
  timespec before{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
  loop.run();
  timespec after{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
  const auto used_ns
    = (after.tv_sec - before.tv_sec) * 1'000'000'000L + after.tv_nsec - before.tv_nsec;
  CHECK(used_ns > 2'000'000L);
  CHECK(used_ns < 150'000'000L);
}

TEST_CASE("a signal is called back in the loop")
{
  Loop loop;
  int caught = 0;
  const Signal signal(loop, SIGHUP, [&] { ++caught; });
  ::kill(::getpid(), SIGHUP);
  CHECK(run_until(loop, [&] { return caught > 0; }));
  CHECK(caught == 1);
}
