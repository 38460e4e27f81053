#include "gateway/udp_run.hh"

namespace slirpstack {

void UdpRun::add(const Endpoint& from,
                 const Endpoint& to,
                 ByteView payload,
                 std::uint16_t segment_size_bytes)
{
  if (segment_size_bytes != 0) {
    flush();
    sender_.send_udp(from, to, payload, segment_size_bytes);
    return;
  }
  if (count_ > 0 && !joins(from, to, payload)) {
    flush();
  }
  from_ = from;
  to_ = to;
  datagrams_[count_++] = payload;
  bytes_ += payload.size();
  const bool is_short = payload.size() < datagrams_[0].size();
  if (is_short || payload.size() > GuestSender::MAX_SUPER_BYTES) {
    flush();
  }
}

void UdpRun::flush()
{
  if (count_ > 0) {
    sender_.send_udp(from_, to_, std::span(datagrams_).first(count_));
  }
  count_ = 0;
  bytes_ = 0;
}

bool UdpRun::joins(const Endpoint& from, const Endpoint& to, ByteView payload) const
{
  return count_ < datagrams_.size() && from == from_ && to == to_ && !payload.empty()
         && payload.size() <= datagrams_[0].size()
         && bytes_ + payload.size() <= GuestSender::MAX_SUPER_BYTES;
}

} // namespace slirpstack
