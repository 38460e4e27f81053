#include "gateway/ping_mapping.hh"

#include <utility>

namespace slirpstack {

HostError PingMapping::open(HostNetwork& host, const std::optional<SourceAddress>& source)
{
  auto opened = host.open_ping(guest_.address.family(), source, *this);
  socket_ = std::move(opened.socket);
  return opened.error;
}

void PingMapping::on_reply(const IpAddress& from,
                           std::uint16_t sequence,
                           std::uint8_t hop_limit,
                           ByteView data)
{
  const IcmpEcho reply{
    .is_reply = true, .identifier = guest_.port, .sequence = sequence, .data = data};
  relays_.on_reply(*this, from, reply, hop_limit);
}

void PingMapping::on_error(const HostError& error,
                           const IpAddress& to,
                           std::uint16_t sequence,
                           ByteView data)
{
  const IcmpEcho request{
    .is_reply = false, .identifier = guest_.port, .sequence = sequence, .data = data};
  relays_.on_undelivered(*this, to, request, error);
}

PingFlow::PingFlow(PingRelays& relays, PingMapping& mapping, const FlowKey& key)
  : Relay(key), relays_(relays), mapping_(mapping), last_active_(relays.time_.now)
{
  mapping.add(key.remote);
}

PingFlow::~PingFlow()
{
  relays_.on_flow_closed(mapping_, key().remote);
}

TimePoint PingFlow::deadline() const
{
  return last_active_ + relays_.settings_.timeout;
}

void PingFlow::on_deadline(TimePoint)
{
  relays_.flows_.finish(*this);
}

} // namespace slirpstack
