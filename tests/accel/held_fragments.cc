#include "accel/held_fragments.hh"

#include <chrono>
#include <doctest/doctest.h>
#include <string>
#include <utility>
#include <vector>

using namespace slirpstack;
using namespace std::chrono_literals;

namespace {

constexpr HeldFragments::Limits LIMITS{.all = {6, 100}, .share = {3, 60}};

/// What is released, as text: the frames' first bytes.
class Holder
{
public:
  HeldFragments held{LIMITS, [this](ByteView frame) { released_ += static_cast<char>(frame[0]); }};

  void hold(char name,
            std::uint16_t identification,
            std::uint32_t share = 1,
            std::size_t size_bytes = 10)
  {
    std::vector<std::uint8_t> frame(size_bytes, static_cast<std::uint8_t>(name));
    held.hold({key(identification), share, now_ + 2s, std::move(frame)});
    now_ += 1ms;
  }
  static nat_fragment_key key(std::uint16_t identification)
  {
    nat_fragment_key key{};
    key.identification = identification;
    return key;
  }
  std::string released() { return std::exchange(released_, {}); }
  [[nodiscard]] static TimePoint start() { return TimePoint(1h); }

private:
  std::string released_;
  TimePoint now_ = start();
};

} // namespace

TEST_CASE("when a first fragment comes those that wait for it go, in their order")
{
  Holder at;
  at.hold('a', 1);
  at.hold('b', 2);
  at.hold('c', 1);
  at.held.release(Holder::key(1));
  CHECK(at.released() == "ac");
  CHECK(at.held.frames() == 1);
  CHECK(at.held.bytes() == 10);
  at.held.release(Holder::key(1));
  CHECK(at.released().empty());
}

TEST_CASE("a fragment of another zone, direction or protocol is another datagram's")
{
  Holder at;
  at.hold('a', 1);
  nat_fragment_key other = Holder::key(1);
  other.zone = 1;
  at.held.release(other);
  other = Holder::key(1);
  other.inbound = 1;
  at.held.release(other);
  other = Holder::key(1);
  other.protocol = 17;
  at.held.release(other);
  CHECK(at.released().empty());
}

TEST_CASE("what has waited its time goes, and the deadline is that of the oldest")
{
  Holder at;
  CHECK(at.held.deadline() == NEVER);
  at.hold('a', 1);
  at.hold('b', 2);
  CHECK(at.held.deadline() == Holder::start() + 2s);
  at.held.expire(Holder::start() + 2s - 1ns);
  CHECK(at.released().empty());
  at.held.expire(Holder::start() + 2s);
  CHECK(at.released() == "a");
  CHECK(at.held.deadline() == Holder::start() + 2s + 1ms);
  at.held.expire(Holder::start() + 1h);
  CHECK(at.released() == "b");
  CHECK(at.held.deadline() == NEVER);
  CHECK(at.held.bytes() == 0);
}

TEST_CASE("a share that is used up loses its own oldest, and no other's")
{
  Holder at;
  at.hold('x', 9, 2);
  for (const char name : {'a', 'b', 'c', 'd'}) {
    at.hold(name, 1);
  }
  CHECK(at.released() == "a");
  at.hold('e', 1, 1, 45); // bytes: with it only 15 are left
  CHECK(at.released() == "bc");
  CHECK(at.held.frames() == 3);
  at.held.release(Holder::key(9));
  CHECK(at.released() == "x");
}

TEST_CASE("what is larger than its share is not held")
{
  Holder at;
  at.hold('a', 1, 1, 61);
  CHECK(at.released() == "a");
  CHECK(at.held.frames() == 0);
  CHECK(at.held.bytes() == 0);
}

TEST_CASE("what all may hold is bounded, and the oldest of all makes room")
{
  Holder at;
  const std::string names = "abcdefg";
  for (std::uint32_t share = 0; share < names.size(); ++share) {
    at.hold(names[share], 1, share);
  }
  CHECK(at.released() == "a"); // frames
  at.hold('h', 1, 10, 60);
  CHECK(at.released() == "bc"); // bytes
  CHECK(at.held.bytes() == LIMITS.all.bytes);
  CHECK(at.held.frames() == 5);
}
