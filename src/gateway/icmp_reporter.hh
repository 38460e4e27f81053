#pragma once

#include "flow/host_network.hh"
#include "flow/packet_sink.hh"
#include "gateway/refusal.hh"
#include "wire/icmp_error.hh"

namespace slirpstack {

/// Tells the guest by ICMP why its packet went nowhere: as the gateway, or in the name of the
/// router that complained to the host. An original that must not be answered (RFC 1122 3.2.2,
/// RFC 4443 2.4 e) is passed over in silence.
class IcmpReporter
{
public:
  IcmpReporter(PacketSink& guest, const IpAddress& gateway_ipv4, const IpAddress& gateway_ipv6);

  /// From the gateway. `original_packet` is the guest's packet from its IP header on.
  /// `mtu_bytes` counts with fragmentation_needed only; 0: not known, the next common MTU below
  /// the packet's length is told (RFC 1191 7).
  void report(IcmpErrorKind kind, std::uint32_t mtu_bytes, ByteView original_packet);

  /// What the host's network said about the packet. An ICMP message is passed on from whoever
  /// sent it, with its type and code if the families agree; any other error becomes the ICMP
  /// error that `refuse_datagram` names.
  void report(const HostError& error, ByteView original_packet);

  /// The same for a UDP datagram that is no longer at hand: its headers are made anew.
  void report_udp(const HostError& error, const Endpoint& from, const Endpoint& to, ByteView data);
  /// The same for an echo request.
  void report_echo(const HostError& error,
                   const IpAddress& from,
                   const IpAddress& to,
                   const IcmpEcho& request);

private:
  [[nodiscard]] const IpAddress& gateway(Family family) const;
  void pass_on(const HostError& error, const IpHeader& original, ByteView packet);
  void answer(const Unreachable& answer,
              const IpAddress& source,
              const IpHeader& original,
              ByteView packet);

  PacketSink& guest_;
  IpAddress gateway_ipv4_;
  IpAddress gateway_ipv6_;
};

} // namespace slirpstack
