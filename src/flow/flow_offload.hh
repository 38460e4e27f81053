#pragma once

#include "flow/flow_key.hh"
#include "flow/flow_record.hh"
#include "flow/guest_packet.hh"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

namespace slirpstack {

/// What becomes of a flow that is offered.
enum class OffloadAnswer : std::uint8_t
{
  taken,
  declined,  ///< not one that can be carried so; it needs a socket
  exhausted, ///< no external port, or no room, is left for it
  quota,     ///< the guest has as many as it may have
};

/// A flow that policy allows, and its first packet, a frame as the guest sent it.
struct FlowOffer
{
  const FlowKey& key;
  const GuestPacket& packet;
  /// The address that it has to leave from; none: the offload's choice.
  std::optional<IpAddress> source;
};

/// Carries flows of one guest beside the gateway, without sockets: the accelerator, whose NAT is in
/// the kernel. It decides nothing: the gateway offers it what policy allows, when a flow begins,
/// and gives the packet at hand back to the device, behind which the flow's packets are carried
/// from then on.
class FlowOffload
{
public:
  virtual ~FlowOffload() = default;

  /// Whether flows from that address of the guest's may be offered at all.
  [[nodiscard]] virtual bool may_carry(const IpAddress& guest) const = 0;
  /// Whether the flow is carried already. Packets of it that were under way before that took effect
  /// still come to the gateway.
  [[nodiscard]] virtual bool carries(const FlowKey& key) const = 0;
  /// Whether a flow that is not carried now was so before, by a predecessor of this process: then a
  /// packet from its middle may begin it anew.
  [[nodiscard]] virtual bool was_carried(const FlowKey& key) const = 0;
  /// Policy no longer allows a flow that was carried before: its remote comes in no more.
  virtual void end_former(const FlowKey& key) = 0;
  /// If the flow is taken, `record` is moved away with its grant, and kept until the flow ends;
  /// else it stays.
  [[nodiscard]] virtual OffloadAnswer offer(const FlowOffer& offer,
                                            FlowRecord& record,
                                            TimePoint now)
    = 0;
  /// The largest packet that is carried to there in one piece; SIZE_MAX if the way is not known.
  [[nodiscard]] virtual std::size_t mtu_towards(const IpAddress& remote) const = 0;
  /// Ends the flows of which `ends` is true; returns how many.
  virtual std::size_t end_if(const std::function<bool(FlowRecord&)>& ends, TimePoint now) = 0;
  /// The gateway goes: drops all records. What is carried goes on.
  virtual void drop_records() = 0;

  /// In no particular order; `visit` must not change anything.
  virtual void for_each(
    const std::function<void(const FlowKey&, const FlowRecord&)>& visit) const = 0;
  /// Flows that are carried now.
  [[nodiscard]] virtual std::size_t size() const = 0;
};

} // namespace slirpstack
