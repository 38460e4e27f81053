#include "host/socket_set.hh"

#include "base/error.hh"

#include <array>
#include <sys/epoll.h>
#include <utility>

namespace slirpstack {

namespace {

// Enough to keep the number of epoll_wait calls low under load; few enough for the loop to look
// at the tap in between.
constexpr std::size_t EVENTS_PER_TURN = 128;

epoll_event registration(std::uint32_t events, std::uint32_t slot, std::uint32_t generation)
{
  epoll_event event{};
  event.events = events | EPOLLET;
  event.data.u64 = (static_cast<std::uint64_t>(generation) << 32U) | slot;
  return event;
}

} // namespace

SocketSet::SocketSet(Loop& loop)
  : epoll_(system_call("create an epoll set", ::epoll_create1(EPOLL_CLOEXEC)))
  , watch_(loop, epoll_.get(), [this] { deliver(); })
{}

SocketSet::~SocketSet() = default;

std::error_code SocketSet::add(int descriptor,
                               std::uint32_t events,
                               SocketHandler& handler,
                               Membership& membership)
{
  if (free_.empty()) {
    slots_.emplace_back();
    free_.push_back(static_cast<std::uint32_t>(slots_.size() - 1));
  }
  const std::uint32_t slot = free_.back();
  epoll_event event = registration(events, slot, slots_[slot].generation);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) < 0) {
    return last_error();
  }
  free_.pop_back();
  slots_[slot].handler = &handler;
  membership.leave();
  membership.set_ = this;
  membership.slot_ = slot;
  membership.generation_ = slots_[slot].generation;
  return {};
}

void SocketSet::deliver()
{
  std::array<epoll_event, EVENTS_PER_TURN> events; // filled by the kernel
  const int count
    = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), /*timeout*/ 0);
  for (int i = 0; i < count; ++i) {
    deliver(events[static_cast<std::size_t>(i)]);
  }
}

void SocketSet::deliver(const epoll_event& event)
{
  const auto slot = static_cast<std::uint32_t>(event.data.u64);
  const auto generation = static_cast<std::uint32_t>(event.data.u64 >> 32U);
  if (SocketHandler* handler = find(slot, generation)) {
    handler->on_socket_events(event.events);
  }
}

SocketHandler* SocketSet::find(std::uint32_t slot, std::uint32_t generation) const
{
  const Slot& found = slots_[slot];
  return found.generation == generation ? found.handler : nullptr;
}

SocketSet::Membership::Membership(Membership&& other) noexcept
  : set_(std::exchange(other.set_, nullptr)), slot_(other.slot_), generation_(other.generation_)
{}

SocketSet::Membership& SocketSet::Membership::operator=(Membership&& other) noexcept
{
  if (this != &other) {
    leave();
    set_ = std::exchange(other.set_, nullptr);
    slot_ = other.slot_;
    generation_ = other.generation_;
  }
  return *this;
}

void SocketSet::Membership::leave()
{
  if (SocketSet* set = std::exchange(set_, nullptr)) {
    Slot& slot = set->slots_[slot_];
    slot.handler = nullptr;
    ++slot.generation;
    set->free_.push_back(slot_);
  }
}

void SocketSet::Membership::watch(int descriptor, std::uint32_t events)
{
  // Modifying an edge-triggered registration makes epoll look at the socket afresh.
  epoll_event event = registration(events, slot_, generation_);
  ::epoll_ctl(set_->epoll_.get(), EPOLL_CTL_MOD, descriptor, &event);
}

SocketSet::Liveness::Liveness(const Membership& membership)
  : set_(membership.set_), slot_(membership.slot_), generation_(membership.generation_)
{}

bool SocketSet::Liveness::alive() const
{
  return set_ != nullptr && set_->find(slot_, generation_) != nullptr;
}

} // namespace slirpstack
