#pragma once

#include "flow/packet_sink.hh"
#include "gateway/admission.hh"
#include "gateway/icmp_reporter.hh"
#include "wire/tcp.hh"

namespace slirpstack {

/// Tells the guest that what it wants to reach is not to be reached: each packet gets the answer
/// that a real network would have given, in the manner that is asked for.
class GuestRefuser
{
public:
  /// All references must outlive this.
  GuestRefuser(DenialManner manner, PacketSink& guest, IcmpReporter& icmp);

  /// A SYN that opens nothing. `packet` begins with its IP header.
  void refuse_segment(RefusalAnswer answer,
                      const IpHeader& ip,
                      const TcpHeader& tcp,
                      ByteView packet);
  /// Any other packet.
  void refuse_packet(RefusalAnswer answer, ByteView packet);
  /// A segment of no connection gets a RST, unless it is one (RFC 9293 3.10.7.1).
  void reset(const IpHeader& ip, const TcpHeader& tcp);
  /// A datagram to one of our addresses, where nothing takes it.
  void refuse_datagram_to_us(ByteView packet);

private:
  DenialManner manner_;
  PacketSink& guest_;
  IcmpReporter& icmp_;
};

} // namespace slirpstack
