#pragma once

#include "gateway/admission.hh"
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
/// and hands the packet to the relays of its kind, or refuses it.
class FlowOpener
{
public:
  /// All references must outlive this.
  FlowOpener(const OurAddresses& ours,
             const DnsForwarder::Resolvers& resolvers,
             const ForwardSet& forwards,
             Admission& admission,
             GuestRefuser& refuser,
             DnsForwarder& dns,
             TcpRelays& tcp,
             UdpRelays& udp,
             PingRelays& ping);

  /// In each: no flow has that key yet, and `packet` begins with its IP header.
  void on_syn(const FlowKey& key, const IpHeader& ip, const TcpHeader& tcp, ByteView packet);
  void on_datagram(const FlowKey& key, const GuestDatagram& datagram, ByteView packet);
  void on_echo_request(const FlowKey& key,
                       const IpHeader& ip,
                       const IcmpEcho& echo,
                       ByteView packet);

private:
  void on_dns_datagram(const FlowKey& key, const GuestDatagram& datagram, ByteView packet);

  const OurAddresses& ours_;
  const DnsForwarder::Resolvers& resolvers_;
  const ForwardSet& forwards_;
  Admission& admission_;
  GuestRefuser& refuser_;
  DnsForwarder& dns_;
  TcpRelays& tcp_;
  UdpRelays& udp_;
  PingRelays& ping_;
};

} // namespace slirpstack
