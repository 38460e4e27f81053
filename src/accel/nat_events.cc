#include "accel/nat_events.hh"

#include <cstring>
#include <utility>

namespace slirpstack {

NatEvents::NatEvents(const NatObject& object, OnEvent on_event)
  : ring_(object, "events", [on_event = std::move(on_event)](ByteView record) {
    if (record.size() >= sizeof(nat_event)) {
      nat_event event{};
      std::memcpy(&event, record.data(), sizeof event);
      on_event(event);
    }
  })
{}

} // namespace slirpstack
