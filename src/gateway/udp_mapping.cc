#include "gateway/udp_mapping.hh"

#include <algorithm>
#include <utility>

namespace slirpstack {

namespace {

/// Below, a port is a service's, which the host may want for itself.
constexpr std::uint16_t FIRST_UNPRIVILEGED_PORT = 1024;

} // namespace

HostError UdpMapping::open(HostNetwork& host, const std::optional<SourceAddress>& source)
{
  // At the host's own addresses a port may be one that a service of the host is about to want, so
  // the guest does not choose it.
  const bool is_own = !source || !source->is_foreign;
  const std::uint16_t hint = is_own || guest_.port < FIRST_UNPRIVILEGED_PORT ? 0 : guest_.port;
  auto opened = host.open_datagrams(guest_.address.family(), source, hint, *this);
  socket_ = std::move(opened.socket);
  return opened.error;
}

bool UdpMapping::has_talked_to(const IpAddress& address) const
{
  const auto found = remotes_.lower_bound(Endpoint{address, 0});
  return found != remotes_.end() && found->address == address;
}

void UdpMapping::on_send_failed(const OutboundDatagram& datagram, const HostError& error)
{
  const std::size_t size
    = datagram.segment_size_bytes == 0 ? datagram.payload.size() : datagram.segment_size_bytes;
  // Of several datagrams the first stands for all.
  const ByteView first = datagram.payload.first(std::min(size, datagram.payload.size()));
  relays_.on_not_sent(*this, datagram.to, first, error);
}

void UdpMapping::on_datagrams(std::span<const InboundDatagram> datagrams)
{
  relays_.on_inbound(*this, datagrams);
}

void UdpMapping::on_error(const HostError& error, const Endpoint& to, ByteView payload)
{
  relays_.on_undelivered(*this, to, payload, error);
}

UdpFlow::UdpFlow(UdpRelays& relays,
                 UdpMapping& mapping,
                 const FlowKey& key,
                 TimePoint last_active,
                 Duration timeout)
  : UdpRelay(key), relays_(relays), mapping_(mapping), last_active_(last_active), timeout_(timeout)
{
  mapping.add(key.remote);
}

UdpFlow::~UdpFlow()
{
  relays_.on_flow_closed(mapping_, key().remote);
}

void UdpFlow::on_guest_datagram(const GuestDatagram& datagram)
{
  last_active_ = relays_.time_.now; // RFC 4787 REQ-6: what the guest sends keeps the mapping
  mapping_.note_sending(last_active_);
  if (!may_pass(&FlowTraffic::to_host_bytes, datagram.data.size(), relays_.time_.now)) {
    relays_.drops_.count(Drop::rate_limited);
    return;
  }
  relays_.outbox_.add(mapping_,
                      {
                        .to = key().remote,
                        .payload = datagram.data,
                        .segment_size_bytes = datagram.segment_size_bytes,
                        .hop_limit = static_cast<std::uint8_t>(datagram.hop_limit - 1),
                        .dont_fragment = datagram.dont_fragment,
                        .source = std::nullopt,
                      });
}

bool UdpFlow::admits_from_remote(std::size_t payload_bytes)
{
  if (relays_.settings_.inbound_refreshes) {
    last_active_ = relays_.time_.now;
  }
  if (!may_pass(&FlowTraffic::to_guest_bytes, payload_bytes, relays_.time_.now)) {
    relays_.drops_.count(Drop::rate_limited);
    return false;
  }
  return true;
}

std::optional<Endpoint> UdpFlow::host_local() const
{
  return std::as_const(mapping_).socket().local_towards(key().remote);
}

void UdpFlow::on_deadline(TimePoint)
{
  relays_.flows_.finish(*this);
}

} // namespace slirpstack
