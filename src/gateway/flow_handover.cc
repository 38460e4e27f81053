#include "gateway/flow_handover.hh"

#include "wire/ipv4_split.hh"

#include <algorithm>

namespace slirpstack {

namespace {

// RFC 791 section 3.2: so much passes everywhere, and nobody has to be asked. Most flows begin so.
constexpr std::uint32_t IPV4_LEAST_MTU_BYTES = 68;

/// Whether the flow's bytes have to pass through us to be counted.
bool limits_bytes(const FlowRecord& record)
{
  return record.grant.rule() != nullptr && record.grant.rule()->bytes.has_value();
}

} // namespace

FlowHandover::FlowHandover(PacketSink& guest,
                           const UdpRelays& udp,
                           const PingRelays& ping,
                           const MappedSources& mapped,
                           DropCounters& drops,
                           const EventTime& time)
  : guest_(guest), udp_(udp), ping_(ping), mapped_(mapped), drops_(drops), time_(time)
{}

FlowHandover::~FlowHandover()
{
  if (offload_ != nullptr) {
    offload_->drop_records(); // their grants are the gateway's
  }
}

bool FlowHandover::return_carried(const FlowKey& key, const GuestPacket& packet)
{
  if (offload_ == nullptr || !offload_->carries(key)) {
    return false;
  }
  give_back(key, packet);
  return true;
}

void FlowHandover::give_back(const FlowKey& key, const GuestPacket& packet)
{
  if (!packet.is_reassembled && packet.length_bytes <= IPV4_LEAST_MTU_BYTES) {
    guest_.give_back(packet);
    return;
  }
  const std::size_t mtu_bytes
    = std::min<std::size_t>(offload_->mtu_towards(key.remote.address), guest_.mtu_bytes());
  std::size_t pieces = 0;
  if (packet.is_reassembled || packet.length_bytes > mtu_bytes) {
    pieces = split_ipv4(packet.bytes(), mtu_bytes, [this](ByteView header, ByteView payload) {
      guest_.give_back_piece(header, payload);
    });
  }
  if (pieces > 0) {
    return;
  }
  if (packet.is_reassembled) {
    drops_.count(Drop::fragment_carried); // a socket would show another source
  } else {
    guest_.give_back(packet); // with Don't Fragment the kernel answers it
  }
}

bool FlowHandover::may_offer(const FlowKey& key, const GuestPacket& packet) const
{
  if (offload_ == nullptr || !offload_->may_carry(key.guest.address)) {
    return false;
  }
  // Of IPv6 only what is mapped leaves from an address that is the guest's alone, and nobody but
  // its sender cuts it.
  if (key.guest.address.is_ipv6()
      && (packet.is_reassembled || !mapped_.source_of(key.guest.address, key.remote.address))) {
    return false;
  }
  switch (key.protocol) {
    case PROTOCOL_TCP:
      return true;
    case PROTOCOL_UDP:
      return !udp_.has_mapping(key.guest);
    default:
      return !ping_.has_mapping(key.guest);
  }
}

bool FlowHandover::may_resume(const FlowKey& key, const GuestPacket& packet) const
{
  return may_offer(key, packet) && offload_->was_carried(key);
}

OffloadAnswer FlowHandover::offer(const FlowKey& key, const GuestPacket& packet, FlowRecord& record)
{
  if (limits_bytes(record)) {
    return OffloadAnswer::declined;
  }
  const FlowOffer offered{key, packet, mapped_.source_of(key.guest.address, key.remote.address)};
  const OffloadAnswer answer = offload_->offer(offered, record, time_.now);
  switch (answer) {
    case OffloadAnswer::taken:
      ++taken_;
      give_back(key, packet);
      break;
    case OffloadAnswer::exhausted:
    case OffloadAnswer::quota:
      drops_.count(Drop::too_many_flows);
      break;
    case OffloadAnswer::declined:
      break;
  }
  return answer;
}

std::size_t FlowHandover::end_unless(const std::function<bool(FlowRecord&)>& still_allows)
{
  return offload_ == nullptr
           ? 0
           : offload_->end_if(
             [&](FlowRecord& record) { return !still_allows(record) || limits_bytes(record); },
             time_.now);
}

} // namespace slirpstack
