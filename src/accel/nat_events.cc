#include "accel/nat_events.hh"

#include "accel/libbpf.hh"
#include "base/error.hh"

#include <cerrno>
#include <cstring>
#include <utility>

namespace slirpstack {

namespace {

constexpr unsigned EVENTS_AT_ONCE = 1024;

} // namespace

void NatEvents::Free::operator()(ring_buffer* ring) const
{
  libbpf().ring_buffer__free(ring);
}

NatEvents::NatEvents(const NatObject& object, OnEvent on_event)
  : on_event_(std::move(on_event))
  , ring_(libbpf().ring_buffer__new(object.map("events"), pass_on, this, nullptr))
{
  if (!ring_) {
    throw_system_error("listen to the BPF programs");
  }
}

int NatEvents::fd() const
{
  return libbpf().ring_buffer__epoll_fd(ring_.get());
}

void NatEvents::read()
{
  budget_ = EVENTS_AT_ONCE;
  libbpf().ring_buffer__consume(ring_.get());
}

int NatEvents::pass_on(void* self, void* data, std::size_t size_bytes) noexcept
{
  auto& events = *static_cast<NatEvents*>(self);
  if (size_bytes >= sizeof(nat_event)) {
    nat_event event{};
    std::memcpy(&event, data, sizeof event);
    events.on_event_(event);
  }
  return --events.budget_ == 0 ? -EAGAIN : 0; // stops here, and goes on from here
}

} // namespace slirpstack
