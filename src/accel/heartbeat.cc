#include "accel/heartbeat.hh"

#include <chrono>

namespace slirpstack {

namespace {

// What has not heard of us for so long takes us for dead: a turn of the loop takes milliseconds.
constexpr std::chrono::seconds PERIOD(1);
constexpr std::chrono::seconds LASTS(4);

} // namespace

Heartbeat::Heartbeat(Loop& loop, const NatObject& object)
  : table_(object.map("heartbeat")), next_(loop, [this] { beat(); })
{}

void Heartbeat::beat()
{
  const std::chrono::nanoseconds until = Clock::now().time_since_epoch() + LASTS;
  table_.put(0, static_cast<std::uint64_t>(until.count()));
  next_.set(Loop::now() + PERIOD);
}

} // namespace slirpstack
