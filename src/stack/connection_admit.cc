// Guest to host, the opening: lwIP as the server that the guest's parked SYN asks for. And what
// lwIP is told about the guest once, whoever opened.

#include "stack/callbacks.hh"
#include "stack/connection.hh"
#include "stack/connection_world.hh"

#include <algorithm>

namespace slirpstack {

namespace {

// The largest IPv6 and TCP headers that lwIP writes leave this much of a packet.
constexpr std::uint32_t MAX_SUPER_SEGMENT_BYTES = 65535 - 60;

// A guest may announce any MSS; Linux itself sends none below this (net.ipv4.tcp_min_snd_mss is 48,
// its clients never go below 88), and cutting a super-segment into single bytes would be work that
// a guest could make us do.
constexpr std::uint16_t MIN_GUEST_SEGMENT_BYTES = 88;

} // namespace

void Connection::admit(const IpHeader& ip, ByteView headers)
{
  const ByteView tcp = headers.subspan(ip.header_length_bytes);
  pbuf* segment = ::pbuf_alloc(PBUF_RAW, static_cast<u16_t>(tcp.size()), PBUF_RAM);
  if (segment == nullptr) {
    return;
  }
  ::pbuf_take(segment, tcp.data(), static_cast<u16_t>(tcp.size()));
  auto& listener = *stack_.listener_;
  listener.local_port = Reader(tcp.subspan(2)).u16();
  listener.callback_arg = this; // inherited by the pcb that the SYN creates
  {
    const World world(*this);
    tcp_listen_pcbs.listen_pcbs = &listener; // no other stack's listener, and only for this SYN
    feed(segment, ip, headers.data());
    tcp_listen_pcbs.listen_pcbs = nullptr;
  }
  listener.callback_arg = nullptr;
  if (pcb_ == nullptr) {
    return;
  }
  listen_to_pcb();
  learn_segment_size();
  settle();
}

void Connection::listen_to_pcb()
{
  ::tcp_recv(pcb_, StackCallbacks::received);
  ::tcp_sent(pcb_, StackCallbacks::acknowledged);
  ::tcp_err(pcb_, StackCallbacks::gone);
  tcp_nagle_disable(pcb_);
}

void Connection::learn_segment_size()
{
  guest_segment_bytes_ = std::max<std::uint16_t>(pcb_->mss, MIN_GUEST_SEGMENT_BYTES);
  super_segment_bytes_ = guest_segment_bytes_;
  if (stack_.guest_.cuts_tcp() && guest_segment_bytes_ < MAX_SUPER_SEGMENT_BYTES) {
    super_segment_bytes_ = static_cast<std::uint16_t>(MAX_SUPER_SEGMENT_BYTES / guest_segment_bytes_
                                                      * guest_segment_bytes_);
  }
  settle();
}

} // namespace slirpstack
