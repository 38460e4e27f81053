#pragma once

#include "accel/held_fragments.hh"
#include "accel/nat_accelerator.hh"
#include "accel/nat_ring.hh"
#include "accel/nat_table.hh"
#include "guest/host_tap.hh"
#include "host/loop.hh"

namespace slirpstack {

/// IPv4 fragments that came before the first of their datagram, whoever sent them: holds the copies
/// that the programs make of them (NAT_HOLDS_FRAGMENTS, to be set by whoever makes this), and
/// writes each into a tap of its own when the first has come. From there the program goes on with
/// it as if it came in just now. So what does not become of a datagram in time, or has to make
/// room, is written too: the program drops and counts it.
class EarlyFragments
{
public:
  /// Makes the tap and attaches the program to it. Both must outlive this. Throws
  /// std::system_error.
  EarlyFragments(Loop& loop, NatAccelerator& nat);
  ~EarlyFragments();
  EarlyFragments(const EarlyFragments&) = delete;
  EarlyFragments& operator=(const EarlyFragments&) = delete;

  [[nodiscard]] const HeldFragments& held() const { return held_; }

private:
  void read();
  void on_record(ByteView record);
  void expire();
  [[nodiscard]] bool has_come(const nat_fragment_key& key) const;
  void write(ByteView frame) const;

  NatAccelerator& nat_;
  NatTable<nat_fragment_key, nat_fragment> firsts_;
  HostTap tap_;
  HeldFragments held_;
  NatRing ring_;
  Watch watch_;
  Timer next_;
};

} // namespace slirpstack
