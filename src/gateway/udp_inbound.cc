// The host's side of UdpRelays: what comes in for the guest.

#include "gateway/udp_mapping.hh"

#include <array>

namespace slirpstack {

namespace {

/// Consecutive datagrams of one flow and size on their way to the guest.
class Run
{
public:
  Run(GuestSender& sender, const Endpoint& guest) : sender_(sender), guest_(guest) {}

  void add(const InboundDatagram& datagram)
  {
    if (datagram.segment_size_bytes != 0) {
      flush();
      sender_.send_udp(datagram.from, guest_, datagram.payload, datagram.segment_size_bytes);
      return;
    }
    if (count_ > 0 && !joins(datagram)) {
      flush();
    }
    from_ = datagram.from;
    datagrams_[count_++] = datagram.payload;
    bytes_ += datagram.payload.size();
    const bool is_short = datagram.payload.size() < datagrams_[0].size();
    if (is_short || datagram.payload.size() > GuestSender::MAX_SUPER_BYTES) {
      flush();
    }
  }

  void flush()
  {
    if (count_ > 0) {
      sender_.send_udp(from_, guest_, std::span(datagrams_).first(count_));
    }
    count_ = 0;
    bytes_ = 0;
  }

private:
  [[nodiscard]] bool joins(const InboundDatagram& datagram) const
  {
    return count_ < datagrams_.size() && datagram.from == from_ && !datagram.payload.empty()
           && datagram.payload.size() <= datagrams_[0].size()
           && bytes_ + datagram.payload.size() <= GuestSender::MAX_SUPER_BYTES;
  }

  GuestSender& sender_;
  Endpoint guest_;
  Endpoint from_;
  std::array<ByteView, GuestSender::MAX_DATAGRAMS> datagrams_;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
};

} // namespace

void UdpRelays::on_inbound(UdpMapping& mapping, std::span<const InboundDatagram> datagrams)
{
  Run run(guest_, mapping.guest());
  const Endpoint* admitted = nullptr;
  for (const InboundDatagram& datagram : datagrams) {
    if (admitted == nullptr || *admitted != datagram.from) {
      admitted = admit(mapping, datagram.from) ? &datagram.from : nullptr;
    }
    if (admitted != nullptr) {
      run.add(datagram);
    }
  }
  run.flush();
}

bool UdpRelays::admit(UdpMapping& mapping, const Endpoint& remote)
{
  const FlowKey key{PROTOCOL_UDP, mapping.guest(), remote};
  if (Relay* const known = flows_.find(key)) {
    static_cast<UdpFlow*>(known)->touch(time_.now);
    return true;
  }
  const bool is_welcome = settings_.filter == UdpFilter::endpoint_independent
                          || (settings_.filter == UdpFilter::address_dependent
                              && mapping.has_talked_to(remote.address));
  if (!is_welcome) {
    drops_.count(Drop::udp_filtered);
    return false;
  }
  if (flows_.full()) {
    drops_.count(Drop::too_many_flows);
    return false;
  }
  insert_flow(mapping, key);
  return true;
}

} // namespace slirpstack
