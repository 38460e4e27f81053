#pragma once

#include "flow/flow_offload.hh"
#include "flow/packet_sink.hh"
#include "gateway/mapped_sources.hh"
#include "gateway/ping_relays.hh"
#include "gateway/udp_relays.hh"

namespace slirpstack {

/// Hands flows over to an offload, where there is one, and gives it back the packets that are its
/// flows'. A flow is handed over when it begins, or never: what a socket carries stays with it, and
/// so does what else comes from the same endpoint of the guest, which must look the same to all
/// (RFC 4787 REQ-1).
class FlowHandover
{
public:
  /// All references must outlive this.
  FlowHandover(PacketSink& guest,
               const UdpRelays& udp,
               const PingRelays& ping,
               const MappedSources& mapped,
               DropCounters& drops,
               const EventTime& time);
  ~FlowHandover();
  FlowHandover(const FlowHandover&) = delete;
  FlowHandover& operator=(const FlowHandover&) = delete;
  FlowHandover(FlowHandover&&) = delete;
  FlowHandover& operator=(FlowHandover&&) = delete;

  /// Who is offered flows from now on, in place of nobody. Must outlive this.
  void set_offload(FlowOffload& offload) { offload_ = &offload; }

  /// For a packet of a flow that is not in the flow table. True: the offload carries that flow, and
  /// the packet is dealt with.
  bool return_carried(const FlowKey& key, const GuestPacket& packet);
  /// Whether such a flow, with this as its first packet, may be offered at all.
  [[nodiscard]] bool may_offer(const FlowKey& key, const GuestPacket& packet) const;
  /// Whether a TCP segment that begins no connection belongs to one that the offload knows.
  [[nodiscard]] bool may_resume(const FlowKey& key, const GuestPacket& packet) const;
  /// Policy has refused a flow that may be offered.
  void refuse(const FlowKey& key) { offload_->end_former(key); }
  /// Offers a flow that may be and is allowed. If it is taken, the packet has gone back.
  [[nodiscard]] OffloadAnswer offer(const FlowKey& key,
                                    const GuestPacket& packet,
                                    FlowRecord& record);
  /// Ends the flows handed over that `still_allows` is not true of, and those that are under a
  /// limit now which only we can keep; returns how many.
  std::size_t end_unless(const std::function<bool(FlowRecord&)>& still_allows);

  /// Flows that are handed over now, in no particular order.
  void for_each(const std::function<void(const FlowKey&, const FlowRecord&)>& visit) const
  {
    if (offload_ != nullptr) {
      offload_->for_each(visit);
    }
  }
  /// Flows that have been handed over since the start.
  [[nodiscard]] std::uint64_t taken() const { return taken_; }

private:
  /// Puts a packet of a carried flow back, cut if its way takes no larger ones (RFC 4787 REQ-13a):
  /// what is behind the device cannot cut.
  void give_back(const FlowKey& key, const GuestPacket& packet);

  PacketSink& guest_;
  const UdpRelays& udp_;
  const PingRelays& ping_;
  const MappedSources& mapped_;
  DropCounters& drops_;
  const EventTime& time_;
  FlowOffload* offload_ = nullptr;
  std::uint64_t taken_ = 0;
};

} // namespace slirpstack
