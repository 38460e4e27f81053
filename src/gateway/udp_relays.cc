#include "gateway/udp_relays.hh"

#include "base/log.hh"
#include "gateway/udp_mapping.hh"
#include "gateway/udp_target_flow.hh"

#include <array>
#include <utility>

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
                     NameResolver& names,
                     FlowTable& flows,
                     Admission& admission,
                     ClientNames& clients,
                     GuestSender& guest,
                     IcmpReporter& icmp,
                     DropCounters& drops)
  : settings_(settings)
  , time_(time)
  , host_(host)
  , names_(names)
  , flows_(flows)
  , admission_(admission)
  , clients_(clients)
  , guest_(guest)
  , icmp_(icmp)
  , drops_(drops)
  , forward_clients_(settings.max_clients)
  , mappings_(FIRST_BUCKETS, FlowKeyHash(secret))
{}

UdpRelays::~UdpRelays()
{
  for (const auto& [endpoint, mapping] : mappings_) {
    for (const Endpoint& remote : mapping->remotes()) {
      Relay* const flow = flows_.find({PROTOCOL_UDP, endpoint, remote});
      if (flow != nullptr && flow->record().origin == FlowOrigin::outbound) {
        flows_.finish(*flow);
      }
    }
  }
  flows_.bury();
}

void UdpRelays::open_from_guest(const FlowKey& key,
                                const GuestDatagram& datagram,
                                FlowRecord record)
{
  HostError error;
  if (UdpMapping* const mapping = open_mapping(key.guest, error)) {
    insert_flow(*mapping, key, time_.now, std::move(record)).on_guest_datagram(datagram);
  } else {
    refuse(key, datagram, error);
  }
}

void UdpRelays::open_forward(const FlowKey& key,
                             const GuestDatagram& datagram,
                             const RemoteForward& forward,
                             FlowRecord record)
{
  auto flow = std::make_unique<UdpTargetFlow>(*this, key, forward);
  flow->record() = std::move(record);
  static_cast<UdpTargetFlow&>(flows_.insert(std::move(flow))).on_guest_datagram(datagram);
}

UdpFlow& UdpRelays::insert_flow(UdpMapping& mapping,
                                const FlowKey& key,
                                TimePoint since,
                                FlowRecord record)
{
  const Duration timeout = key.remote.port == DNS_PORT ? settings_.dns_timeout : settings_.timeout;
  auto flow = std::make_unique<UdpFlow>(*this, mapping, key, since, timeout);
  flow->record() = std::move(record);
  auto& inserted = static_cast<UdpFlow&>(flows_.insert(std::move(flow)));
  flows_.announce(inserted);
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
  const ChosenSource chosen
    = choose_source(settings_.mapped,
                    guest.address,
                    guest.address.is_ipv4() ? settings_.source_ipv4 : settings_.source_ipv6);
  auto mapping = std::make_unique<UdpMapping>(*this, guest);
  error = chosen.error.code ? chosen.error : mapping->open(host_, chosen.source);
  if (error.code) {
    return nullptr;
  }
  return mappings_.emplace(guest, std::move(mapping)).first->second.get();
}

ByteView SimpleProxyFramer::frame(const SimpleProxyHeader& header, ByteView data)
{
  framed_.resize(SimpleProxyHeader::SIZE_BYTES);
  Writer writer(framed_);
  header.write(writer);
  framed_.insert(framed_.end(), data.begin(), data.end());
  return framed_;
}

void UdpRelays::refuse(const FlowKey& key, const GuestDatagram& datagram, const HostError& error)
{
  drops_.count(Drop::too_many_flows);
  const std::string reason = mappings_.size() >= settings_.max_mappings
                               ? fmt::format("all {} UDP sockets are in use", mappings_.size())
                               : error.code.message();
  log(LogLevel::warning, "UDP flow refused", {{"flow", key.to_string()}, {"reason", reason}});
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
  if (is_full(error)) {
    drops_.count(Drop::host_full);
    return;
  }
  icmp_.report_udp(error, mapping.guest(), to, data);
}

bool UdpRelays::is_full(const HostError& error)
{
  // A router with a full queue says nothing either (RFC 1812 4.3.3.3).
  return error.code == std::errc::resource_unavailable_try_again
         || error.code == std::errc::no_buffer_space;
}

void UdpRelays::on_undelivered(const UdpMapping& mapping,
                               const Endpoint& to,
                               ByteView data,
                               const HostError& error)
{
  icmp_.report_udp(error, mapping.guest(), to, data);
}

} // namespace slirpstack
