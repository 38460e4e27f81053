#pragma once

#include "base/bytes.hh"
#include "flow/flow_table.hh"

#include <algorithm>
#include <cstdint>

namespace slirpstack {

/// A UDP datagram of the guest, cut out of its packet.
struct GuestDatagram
{
  ByteView data;
  /// Size of each datagram in a super-datagram, whose last one may be shorter; 0: just one.
  std::uint16_t segment_size_bytes = 0;
  /// As it came from the guest, at least 2.
  std::uint8_t hop_limit = 64;
  /// The IPv4 header's DF. Over IPv6 true, unless the guest itself sent it in fragments.
  bool dont_fragment = false;
};

/// Calls `visit` with each datagram of a payload of several, all `segment_size_bytes` long but the
/// last, which may be shorter; 0: it is just one, which may be empty.
template<typename Visit>
void for_each_datagram(ByteView payload, std::uint16_t segment_size_bytes, Visit visit)
{
  const std::size_t step = segment_size_bytes == 0 ? payload.size() : segment_size_bytes;
  do {
    const ByteView datagram = payload.first(std::min(step, payload.size()));
    visit(datagram);
    payload = payload.subspan(datagram.size());
  } while (!payload.empty());
}

/// A UDP flow: to wherever the guest sends (UdpFlow), to the target of a remote forward
/// (UdpTargetFlow), or with a client of a local forward (UdpClientFlow).
class UdpRelay : public Relay
{
public:
  using Relay::Relay;

  /// A datagram of this flow from the guest.
  virtual void on_guest_datagram(const GuestDatagram& datagram) = 0;

protected:
  /// Counts payload that is about to go to the host or to the guest. False: the rate of the rule
  /// that allows the flow is used up, and the payload has to be dropped.
  [[nodiscard]] bool may_pass(std::uint64_t FlowTraffic::*direction,
                              std::size_t payload_bytes,
                              TimePoint now)
  {
    RuleAccount* const rule = record().grant.rule();
    if (rule != nullptr && rule->bytes && !rule->bytes->take(payload_bytes, now)) {
      ++rule->limited;
      return false;
    }
    record().traffic.*direction += payload_bytes;
    return true;
  }
};

} // namespace slirpstack
