#include "gateway/guest_refuser.hh"

namespace slirpstack {

GuestRefuser::GuestRefuser(DenialManner manner, PacketSink& guest, IcmpReporter& icmp)
  : manner_(manner), guest_(guest), icmp_(icmp)
{}

void GuestRefuser::refuse_segment(RefusalAnswer answer,
                                  const IpHeader& ip,
                                  const TcpHeader& tcp,
                                  ByteView packet)
{
  const bool resets = answer == RefusalAnswer::nobody_listens
                      || answer == RefusalAnswer::out_of_room
                      || (answer != RefusalAnswer::silence && manner_ == DenialManner::refused);
  if (resets) {
    reset(ip, tcp);
  } else {
    refuse_packet(answer, packet);
  }
}

void GuestRefuser::refuse_packet(RefusalAnswer answer, ByteView packet)
{
  switch (answer) {
    case RefusalAnswer::silence:
      return;
    case RefusalAnswer::no_such_host:
      if (manner_ != DenialManner::refused) {
        icmp_.report(IcmpErrorKind::host_unreachable, 0, packet);
      }
      return;
    case RefusalAnswer::nobody_listens:
      icmp_.report(IcmpErrorKind::port_unreachable, 0, packet);
      return;
    case RefusalAnswer::no_port: // RFC 6888 REQ-11B, for a quota too
    case RefusalAnswer::over_quota:
      icmp_.report(IcmpErrorKind::host_unreachable, 0, packet);
      return;
    case RefusalAnswer::out_of_room: // RFC 5508 REQ-8
      icmp_.report(IcmpErrorKind::administratively_prohibited, 0, packet);
      return;
    case RefusalAnswer::prohibited:
      break;
  }
  if (manner_ == DenialManner::prohibited) {
    icmp_.report(IcmpErrorKind::administratively_prohibited, 0, packet);
  } else if (manner_ == DenialManner::unreachable) {
    icmp_.report(IcmpErrorKind::net_unreachable, 0, packet);
  }
}

void GuestRefuser::reset(const IpHeader& ip, const TcpHeader& tcp)
{
  const auto reset = reset_for(ip, tcp, ip.payload_length_bytes() - tcp.header_length_bytes);
  if (reset) {
    guest_.send_whole(reset->bytes());
  }
}

void GuestRefuser::refuse_datagram_to_us(ByteView packet)
{
  if (manner_ != DenialManner::refused) {
    icmp_.report(IcmpErrorKind::port_unreachable, 0, packet);
  }
}

} // namespace slirpstack
