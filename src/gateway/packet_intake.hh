#pragma once

#include "base/block_pool.hh"
#include "flow/event_time.hh"
#include "flow/guest_packet.hh"
#include "gateway/icmp_reporter.hh"
#include "gateway/our_addresses.hh"
#include "wire/fragment.hh"

#include <optional>

namespace slirpstack {

/// What every packet of the guest goes through before its protocol is looked at: it is whole, it
/// is the guest's own, its checksum is right, and it may still travel.
class PacketIntake
{
public:
  struct Accepted
  {
    GuestPacket packet;
    IpHeader ip;
  };

  /// All references must outlive this.
  PacketIntake(const OurAddresses& ours,
               const EventTime& time,
               BlockPool& pool,
               IcmpReporter& icmp,
               DropCounters& drops);

  /// What is to be handled now: this packet, or the one that this fragment completes. Nothing:
  /// others of its fragments are missing, or it was refused and counted.
  [[nodiscard]] std::optional<Accepted> take(GuestPacket&& packet);

  /// When to call `expire()`; NEVER while no fragments wait.
  [[nodiscard]] TimePoint next_deadline() const { return reassembler_.next_deadline(); }
  /// Gives up the fragments that have waited too long, and tells the guest.
  void expire();

private:
  [[nodiscard]] std::optional<Accepted> reassemble(const GuestPacket& packet, const IpHeader& ip);
  [[nodiscard]] bool acceptable(const GuestPacket& packet, const IpHeader& ip);

  const OurAddresses& ours_;
  const EventTime& time_;
  BlockPool& pool_;
  IcmpReporter& icmp_;
  DropCounters& drops_;
  Reassembler reassembler_;
};

} // namespace slirpstack
