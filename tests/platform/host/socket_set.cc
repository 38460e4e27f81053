#include "host/socket_set.hh"

#include "test_namespace.hh"

#include <array>
#include <doctest/doctest.h>
#include <memory>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

/// One end of a socket pair in a set.
struct Member final : SocketHandler
{
  explicit Member(SocketSet& set, std::uint32_t events = EPOLLIN)
  {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()) == 0);
    own = FileDescriptor(ends[0]);
    other = FileDescriptor(ends[1]);
    REQUIRE_FALSE(set.add(own.get(), events, *this, membership));
  }
  void on_socket_events(std::uint32_t events) override
  {
    seen |= events;
    ++calls;
    if (reaction) {
      reaction();
    }
  }
  void poke() const { CHECK(::write(other.get(), "xy", 2) == 2); }

  FileDescriptor own;
  FileDescriptor other;
  SocketSet::Membership membership;
  std::function<void()> reaction;
  std::uint32_t seen = 0;
  int calls = 0;
};

} // namespace

TEST_CASE("an edge is delivered once, although the socket stays readable")
{
  Loop loop;
  SocketSet set(loop);
  Member member(set);
  member.poke();
  CHECK(run_until(loop, [&] { return member.calls > 0; }));
  run_quietly(loop);
  CHECK(member.calls == 1);
  CHECK(member.seen == EPOLLIN);
}

TEST_CASE("new data after a partial read is a new edge")
{
  Loop loop;
  SocketSet set(loop);
  Member member(set);
  member.poke();
  REQUIRE(run_until(loop, [&] { return member.calls == 1; }));
  char byte = 0;
  CHECK(::read(member.own.get(), &byte, 1) == 1);
  member.poke();
  CHECK(run_until(loop, [&] { return member.calls == 2; }));
}

TEST_CASE("watching again delivers what is already there")
{
  Loop loop;
  SocketSet set(loop);
  Member member(set);
  member.poke();
  REQUIRE(run_until(loop, [&] { return member.calls == 1; }));
  member.membership.watch(member.own.get(), EPOLLIN);
  CHECK(run_until(loop, [&] { return member.calls == 2; }));
}

TEST_CASE("a handler destroyed by another one in the same batch gets nothing")
{
  Loop loop;
  SocketSet set(loop);
  auto a = std::make_unique<Member>(set);
  auto b = std::make_unique<Member>(set);
  int delivered = 0;
  a->reaction = [&] {
    ++delivered;
    b.reset();
  };
  b->reaction = [&] {
    ++delivered;
    a.reset();
  };
  a->poke();
  b->poke();
  CHECK(run_until(loop, [&] { return delivered > 0; }));
  run_quietly(loop);
  CHECK(delivered == 1);
  CHECK(set.size() == 1);
}

TEST_CASE("a slot's next holder gets no event of the one before")
{
  Loop loop;
  SocketSet set(loop);
  auto first = std::make_unique<Member>(set);
  auto second = std::make_unique<Member>(set);
  // As a child process would, hold the sockets open: closing them does not take them out of epoll.
  const FileDescriptor held_first = first->own.duplicate();
  const FileDescriptor held_second = second->own.duplicate();
  const FileDescriptor other_first = first->other.duplicate();
  const FileDescriptor other_second = second->other.duplicate();
  first.reset();
  second.reset();
  const Member next(set);
  const Member next_but_one(set);
  CHECK(::write(other_first.get(), "x", 1) == 1);
  CHECK(::write(other_second.get(), "x", 1) == 1);
  run_quietly(loop);
  CHECK(next.calls == 0);
  CHECK(next_but_one.calls == 0);
}

TEST_CASE("more events than one turn takes all arrive")
{
  Loop loop;
  SocketSet set(loop);
  std::vector<std::unique_ptr<Member>> members;
  for (int i = 0; i < 300; ++i) {
    members.push_back(std::make_unique<Member>(set));
    members.back()->poke();
  }
  const auto all_called = [&] {
    return std::ranges::all_of(members, [](const auto& member) { return member->calls == 1; });
  };
  CHECK(run_until(loop, all_called));
}

TEST_CASE("what the kernel cannot poll is refused with its error")
{
  Loop loop;
  SocketSet set(loop);
  Member member(set);
  SocketSet::Membership membership;
  CHECK(set.add(-1, EPOLLIN, member, membership) == std::errc::bad_file_descriptor);
  CHECK(set.size() == 1);
}
