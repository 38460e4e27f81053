#pragma once

#include "accel/nat_object.hh"
#include "accel/nat_table.hh"
#include "host/loop.hh"

#include <cstdint>

namespace slirpstack {

/// A sign of life for programs that would outlive us: without it they stop (NAT_HEARTBEAT).
class Heartbeat
{
public:
  Heartbeat(Loop& loop, const NatObject& object);

  /// Once, and each second from then on. Throws std::system_error.
  void begin() { beat(); }

private:
  void beat();

  NatTable<std::uint32_t, std::uint64_t> table_;
  Timer next_;
};

} // namespace slirpstack
