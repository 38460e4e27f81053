#pragma once

#include "accel/nat_ring.hh"
#include "slirpstack/nat_map.h"

#include <functional>

namespace slirpstack {

/// What the programs report: bindings made, room lost, neighbours wanted.
class NatEvents
{
public:
  using OnEvent = std::function<void(const nat_event&)>;

  /// Throws std::system_error.
  NatEvents(const NatObject& object, OnEvent on_event);

  /// As of NatRing.
  [[nodiscard]] int fd() const { return ring_.fd(); }
  void read() { ring_.read(); }

private:
  NatRing ring_;
};

} // namespace slirpstack
