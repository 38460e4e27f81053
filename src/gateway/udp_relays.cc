#include "gateway/udp_relays.hh"

#include "base/log.hh"
#include "gateway/udp_mapping.hh"

namespace slirpstack {

namespace {

constexpr std::uint16_t DNS_PORT = 53;
constexpr std::size_t FIRST_BUCKETS = 16;

HostError out_of(std::errc what)
{
  return {std::make_error_code(what), std::nullopt};
}

ByteView first_datagram(const GuestDatagram& datagram)
{
  const std::size_t size = datagram.segment_size_bytes;
  return size == 0 || size > datagram.data.size() ? datagram.data : datagram.data.first(size);
}

} // namespace

UdpRelays::UdpRelays(const Settings& settings,
                     const HashSecret& secret,
                     const EventTime& time,
                     HostNetwork& host,
                     FlowTable& flows,
                     GuestSender& guest,
                     IcmpReporter& icmp,
                     DropCounters& drops)
  : settings_(settings)
  , time_(time)
  , host_(host)
  , flows_(flows)
  , guest_(guest)
  , icmp_(icmp)
  , drops_(drops)
  , mappings_(FIRST_BUCKETS, FlowKeyHash(secret))
{}

UdpRelays::~UdpRelays()
{
  for (const auto& [endpoint, mapping] : mappings_) {
    for (const Endpoint& remote : mapping->remotes()) {
      if (Relay* const flow = flows_.find({PROTOCOL_UDP, endpoint, remote})) {
        flows_.finish(*flow);
      }
    }
  }
  flows_.bury();
}

void UdpRelays::on_datagram(const FlowKey& key, Relay* known, const GuestDatagram& datagram)
{
  auto* flow = static_cast<UdpFlow*>(known);
  if (flow == nullptr) {
    HostError error;
    flow = open_flow(key, error);
    if (flow == nullptr) {
      refuse(key, datagram, error);
      return;
    }
  }
  // RFC 4787 REQ-6: what the guest sends keeps the mapping.
  flow->touch(time_.now);
  outbox_.add(flow->mapping(),
              {
                .to = key.remote,
                .payload = datagram.data,
                .segment_size_bytes = datagram.segment_size_bytes,
                .hop_limit = static_cast<std::uint8_t>(datagram.hop_limit - 1),
                .dont_fragment = datagram.dont_fragment,
              });
}

UdpFlow* UdpRelays::open_flow(const FlowKey& key, HostError& error)
{
  if (flows_.full()) {
    error = out_of(std::errc::no_buffer_space);
    return nullptr;
  }
  UdpMapping* const mapping = open_mapping(key.guest, error);
  return mapping == nullptr ? nullptr : &insert_flow(*mapping, key);
}

UdpFlow& UdpRelays::insert_flow(UdpMapping& mapping, const FlowKey& key)
{
  const Duration timeout = key.remote.port == DNS_PORT ? settings_.dns_timeout : settings_.timeout;
  auto flow = std::make_unique<UdpFlow>(*this, mapping, key, timeout);
  UdpFlow& inserted = *flow;
  flows_.insert(std::move(flow));
  return inserted;
}

UdpMapping* UdpRelays::open_mapping(const Endpoint& guest, HostError& error)
{
  if (const auto found = mappings_.find(guest); found != mappings_.end()) {
    return found->second.get();
  }
  if (mappings_.size() >= settings_.max_mappings) {
    error = out_of(std::errc::too_many_files_open);
    return nullptr;
  }
  auto mapping = std::make_unique<UdpMapping>(*this, guest);
  error
    = mapping->open(host_, guest.address.is_ipv4() ? settings_.source_ipv4 : settings_.source_ipv6);
  if (error.code) {
    return nullptr;
  }
  return mappings_.emplace(guest, std::move(mapping)).first->second.get();
}

void UdpRelays::refuse(const FlowKey& key, const GuestDatagram& datagram, const HostError& error)
{
  drops_.count(Drop::too_many_flows);
  log(LogLevel::warning,
      "UDP flow refused",
      {{"flow", key.to_string()}, {"reason", error.code.message()}});
  icmp_.report_udp(error, key.guest, key.remote, first_datagram(datagram));
}

void UdpRelays::on_flow_closed(UdpMapping& mapping, const Endpoint& remote)
{
  mapping.remove(remote);
  if (mapping.remotes().empty()) {
    mappings_.erase(Endpoint(mapping.guest()));
  }
}

void UdpRelays::on_not_sent(const UdpMapping& mapping,
                            const Endpoint& to,
                            ByteView data,
                            const HostError& error)
{
  // The socket's buffer is full: a router with a full queue says nothing either (RFC 1812 4.3.3.3).
  if (error.code == std::errc::resource_unavailable_try_again
      || error.code == std::errc::no_buffer_space) {
    drops_.count(Drop::host_full);
    return;
  }
  icmp_.report_udp(error, mapping.guest(), to, data);
}

void UdpRelays::on_undelivered(const UdpMapping& mapping,
                               const Endpoint& to,
                               ByteView data,
                               const HostError& error)
{
  icmp_.report_udp(error, mapping.guest(), to, data);
}

} // namespace slirpstack
