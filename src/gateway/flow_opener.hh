#pragma once

#include "gateway/admission.hh"
#include "gateway/flow_handover.hh"
#include "gateway/forward_set.hh"
#include "gateway/guest_refuser.hh"
#include "gateway/our_addresses.hh"
#include "gateway/ping_relays.hh"
#include "gateway/tcp_relays.hh"
#include "gateway/udp_relays.hh"
#include "service/dns_forwarder.hh"

namespace slirpstack {

/// Opens the flows that the guest begins. It decides what stands behind a destination (a remote
/// forward, a service of ours, nobody, or the host's network), asks whether the guest may have it,
/// and hands the packet to the relays of its kind, or refuses it. What goes to the host's network
/// is offered to the offload first.
class FlowOpener
{
public:
  /// All references must outlive this.
  FlowOpener(const OurAddresses& ours,
             const DnsForwarder::Resolvers& resolvers,
             const ForwardSet& forwards,
             Admission& admission,
             FlowHandover& handover,
             GuestRefuser& refuser,
             DnsForwarder& dns,
             TcpRelays& tcp,
             UdpRelays& udp,
             PingRelays& ping);

  /// In each: no flow has that key yet, and `packet` has the headers that were parsed.
  void on_syn(const FlowKey& key,
              const IpHeader& ip,
              const TcpHeader& tcp,
              const GuestPacket& packet);
  void on_datagram(const FlowKey& key,
                   const IpHeader& ip,
                   const GuestDatagram& datagram,
                   const GuestPacket& packet);
  void on_echo_request(const FlowKey& key,
                       const IpHeader& ip,
                       const IcmpEcho& echo,
                       const GuestPacket& packet);

  /// A segment from the middle of a connection that the offload knows (FlowHandover::may_resume):
  /// whether it goes on is asked anew.
  void on_resumed_segment(const FlowKey& key,
                          const IpHeader& ip,
                          const TcpHeader& tcp,
                          const GuestPacket& packet);

private:
  void on_dns_datagram(const FlowKey& key, const GuestDatagram& datagram, ByteView packet);
  /// Nothing: the offload has taken the flow, or `refuse(answer)` was called.
  template<typename Refuse>
  [[nodiscard]] std::optional<FlowRecord> admit_outbound(const FlowKey& key,
                                                         const GuestPacket& packet,
                                                         Refuse refuse);
  /// What the offload says to a flow that it was offered. Granted: there is room for it here.
  [[nodiscard]] Admitted hand_over(const FlowKey& key,
                                   const GuestPacket& packet,
                                   FlowRecord& record);

  const OurAddresses& ours_;
  const DnsForwarder::Resolvers& resolvers_;
  const ForwardSet& forwards_;
  Admission& admission_;
  FlowHandover& handover_;
  GuestRefuser& refuser_;
  DnsForwarder& dns_;
  TcpRelays& tcp_;
  UdpRelays& udp_;
  PingRelays& ping_;
};

} // namespace slirpstack
