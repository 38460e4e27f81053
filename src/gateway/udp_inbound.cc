// The host's side of UdpRelays: what comes in for the guest.

#include "gateway/udp_mapping.hh"
#include "gateway/udp_run.hh"

namespace slirpstack {

void UdpRelays::on_inbound(UdpMapping& mapping, std::span<const InboundDatagram> datagrams)
{
  UdpRun run(guest_);
  UdpFlow* flow = nullptr;
  for (const InboundDatagram& datagram : datagrams) {
    if (flow == nullptr || flow->key().remote != datagram.from) {
      flow = admit(mapping, datagram.from);
    }
    if (flow != nullptr && flow->admits_from_remote(datagram.payload.size())) {
      run.add(datagram.from, mapping.guest(), datagram.payload, datagram.segment_size_bytes);
    }
  }
  run.flush();
}

/// The flow that the remote's datagrams come in by; null when they do not.
UdpFlow* UdpRelays::admit(UdpMapping& mapping, const Endpoint& remote)
{
  const FlowKey key{PROTOCOL_UDP, mapping.guest(), remote};
  if (Relay* const known = flows_.find(key)) {
    // A forward may have a flow between the same two ends, by a socket of its own.
    const bool is_ours = known->record().origin == FlowOrigin::outbound;
    return is_ours ? static_cast<UdpFlow*>(known) : nullptr;
  }
  const bool is_welcome = settings_.filter == UdpFilter::endpoint_independent
                          || (settings_.filter == UdpFilter::address_dependent
                              && mapping.has_talked_to(remote.address));
  if (!is_welcome) {
    drops_.count(Drop::udp_filtered);
    return nullptr;
  }
  FlowRecord record{.request = {.direction = FlowDirection::out,
                                .protocol = PROTOCOL_UDP,
                                .source = mapping.guest().address,
                                .destination = remote}};
  Admitted admitted = admission_.ask_unsolicited(record.request, key);
  if (!admitted.granted) {
    return nullptr;
  }
  record.grant = std::move(admitted.grant);
  const TimePoint since = settings_.inbound_refreshes ? time_.now : mapping.last_sending();
  return &insert_flow(mapping, key, since, std::move(record));
}

} // namespace slirpstack
