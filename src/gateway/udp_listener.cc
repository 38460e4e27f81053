#include "gateway/udp_listener.hh"

#include "base/log.hh"
#include "gateway/udp_run.hh"

#include <cassert>
#include <chrono>
#include <utility>

namespace slirpstack {

namespace {

// Who has said nothing for that long, and heard nothing, gives way to a new client when there are
// too many: RFC 4787 REQ-5 wants two minutes, which hold for as long as there is room.
constexpr std::chrono::seconds LONG_SILENCE(30);

UdpClient client_of(const InboundDatagram& datagram)
{
  return {.from = datagram.from, .to = datagram.to, .interface_index = datagram.interface_index};
}

} // namespace

UdpListener::UdpListener(UdpRelays& relays,
                         const PrefixMap& prefixes,
                         const LocalForward& forward,
                         std::uint32_t forward_id)
  : relays_(relays)
  , prefixes_(prefixes)
  , scheme_(forward.scheme)
  , follows_map_(forward.follows_map)
  , targets_(forward.targets)
  , forward_id_(forward_id)
{}

UdpListener::~UdpListener()
{
  assert(flows_.empty());
  relays_.outbox_.forget(*this);
}

HostError UdpListener::open(HostNetwork& host, const ListenOptions& options)
{
  family_ = std::get<Endpoint>(options.address).address.family();
  auto opened = host.listen_datagrams(options, *this);
  socket_ = std::move(opened.socket);
  return opened.error;
}

void UdpListener::close()
{
  relays_.outbox_.forget(*this);
  socket_.reset();
}

void UdpListener::on_send_failed(const OutboundDatagram&, const HostError& error)
{
  if (UdpRelays::is_full(error)) {
    relays_.drops_.count(Drop::host_full);
  } else {
    log(LogLevel::debug, "an answer to a client was not sent", {{"reason", error.code.message()}});
  }
}

void UdpListener::on_error(const HostError& error, const Endpoint& to, ByteView)
{
  if (error.code != std::errc::connection_refused) {
    return; // of the path, and it may pass: the client is still there
  }
  // The client is gone; so is its flow, and the guest hears nothing, as from any silent client.
  for (auto flow = flows_.lower_bound({.from = to, .to = std::nullopt});
       flow != flows_.end() && flow->first.from == to;
       ++flow) {
    if (!FlowTable::finished(*flow->second)) {
      relays_.flows_.finish(*flow->second);
    }
  }
}

std::optional<IpAddress> UdpListener::inside(const std::optional<IpAddress>& asked) const
{
  return follows_map_ && asked ? prefixes_.to_internal(*asked).address : std::nullopt;
}

void UdpListener::on_datagrams(std::span<const InboundDatagram> datagrams)
{
  UdpRun run(relays_.guest_);
  for (const InboundDatagram& datagram : datagrams) {
    if (UdpClientFlow* const flow = flow_of(datagram)) {
      flow->on_client_datagrams(datagram, run);
    }
  }
  run.flush();
}

UdpClientFlow* UdpListener::flow_of(const InboundDatagram& datagram)
{
  if (const auto found = flows_.find(client_of(datagram)); found != flows_.end()) {
    if (!FlowTable::finished(*found->second)) {
      return found->second;
    }
    flows_.erase(found); // about to be buried
  }
  return accepting_ ? open_flow(datagram) : nullptr;
}

UdpClientFlow* UdpListener::open_flow(const InboundDatagram& datagram)
{
  Endpoint target = target_in_use();
  target.address = inside(datagram.to).value_or(target.address);
  if (scheme_ != ForwardScheme::udpspp) {
    return insert_flow(datagram, datagram.from, target);
  }
  const auto header = SimpleProxyHeader::parse(datagram.payload);
  if (!header) {
    relays_.drops_.count(header.drop());
    log(
      LogLevel::warning,
      "a datagram without Simple Proxy header",
      {{"from", datagram.from.to_string()},
       {"reason", header.drop() == Drop::truncated ? "unexpected EOF" : "spp: bad magic number"}});
    return nullptr;
  }
  UdpClientFlow* const flow = insert_flow(datagram, header->client, target);
  if (flow != nullptr) {
    flow->set_proxy_header(*header);
  }
  return flow;
}

UdpClientFlow* UdpListener::insert_flow(const InboundDatagram& datagram,
                                        const Endpoint& client,
                                        const Endpoint& target)
{
  const auto name = relays_.clients_.name_for(PROTOCOL_UDP, client, target);
  if (!name) {
    relays_.drops_.count(Drop::too_many_flows);
    return nullptr;
  }
  const FlowKey key{PROTOCOL_UDP, target, *name};
  FlowRecord record{.request = {.direction = FlowDirection::in,
                                .protocol = PROTOCOL_UDP,
                                .source = client.address,
                                .destination = target},
                    .origin = FlowOrigin::local_forward,
                    .forward = forward_id_};
  Admitted admitted = relays_.admission_.ask_within({.name = "clients of UDP forwards",
                                                     .most = relays_.forward_clients_.most(),
                                                     .reason = Drop::too_many_clients,
                                                     .has_room = [this] { return has_room(); }},
                                                    record.request,
                                                    key);
  if (!admitted.granted) {
    return nullptr;
  }
  record.grant = std::move(admitted.grant);
  auto flow = std::make_unique<UdpClientFlow>(*this, key, client_of(datagram));
  flow->record() = std::move(record);
  auto& inserted = static_cast<UdpClientFlow&>(relays_.flows_.insert(std::move(flow)));
  flows_.insert_or_assign(client_of(datagram), &inserted);
  relays_.flows_.announce(inserted);
  return &inserted;
}

bool UdpListener::has_room()
{
  UdpClients& clients = relays_.forward_clients_;
  return !clients.full()
         || (clients.most_silent() != nullptr
             && clients.most_silent()->gives_way(relays_.time_.now - LONG_SILENCE));
}

Endpoint UdpListener::target_in_use() const
{
  const Endpoint& first = targets_.front();
  return {first.address, first.port != 0 ? first.port : socket_->port()};
}

void UdpListener::on_target_refused(const Endpoint& target)
{
  // A late complaint about one that is no longer in use says nothing about its successor.
  if (target_in_use() == target) {
    targets_.push_back(targets_.front());
    targets_.pop_front();
  }
}

UdpClientFlow::UdpClientFlow(UdpListener& listener, const FlowKey& key, const UdpClient& client)
  : UdpRelay(key)
  , listener_(listener)
  , client_(client)
  , place_(listener.relays_.forward_clients_, *this, listener.relays_.time_.now)
{}

UdpClientFlow::~UdpClientFlow()
{
  const auto found = listener_.flows_.find(client_);
  if (found != listener_.flows_.end() && found->second == this) {
    listener_.flows_.erase(found);
  }
}

TimePoint UdpClientFlow::deadline() const
{
  return place_.last_active() + listener_.relays_.settings_.timeout;
}

bool UdpClientFlow::gives_way(TimePoint silent_since)
{
  if (place_.last_active() > silent_since) {
    return false;
  }
  place_.leave();
  listener_.relays_.flows_.finish(*this);
  return true;
}

void UdpClientFlow::on_deadline(TimePoint)
{
  listener_.relays_.flows_.finish(*this);
}

std::optional<Endpoint> UdpClientFlow::host_local() const
{
  return Endpoint{client_.to.value_or(IpAddress::any(client_.from.address.family())),
                  listener_.port()};
}

void UdpClientFlow::on_guest_unreachable()
{
  listener_.on_target_refused(key().guest);
  listener_.relays_.flows_.finish(*this);
}

void UdpClientFlow::on_client_datagrams(const InboundDatagram& datagram, UdpRun& run)
{
  UdpRelays& relays = listener_.relays_;
  place_.touch(relays.time_.now);
  if (!may_pass(&FlowTraffic::to_guest_bytes, datagram.payload.size(), relays.time_.now)) {
    relays.drops_.count(Drop::rate_limited);
    return;
  }
  if (listener_.scheme_ != ForwardScheme::udpspp) {
    run.add(key().remote, key().guest, datagram.payload, datagram.segment_size_bytes);
    return;
  }
  for_each_datagram(datagram.payload, datagram.segment_size_bytes, [&](ByteView data) {
    if (const auto header = SimpleProxyHeader::parse(data)) {
      run.add(key().remote, key().guest, data.subspan(SimpleProxyHeader::SIZE_BYTES), 0);
    } else {
      relays.drops_.count(header.drop());
    }
  });
}

void UdpClientFlow::on_guest_datagram(const GuestDatagram& datagram)
{
  UdpRelays& relays = listener_.relays_;
  place_.touch(relays.time_.now);
  if (!may_pass(&FlowTraffic::to_host_bytes, datagram.data.size(), relays.time_.now)) {
    relays.drops_.count(Drop::rate_limited);
    return;
  }
  if (listener_.scheme_ == ForwardScheme::udp) {
    answer(datagram.data, datagram.segment_size_bytes);
    return;
  }
  for_each_datagram(datagram.data, datagram.segment_size_bytes, [&](ByteView data) {
    if (proxy_header_) {
      answer(relays.framer_.frame(*proxy_header_, data), 0);
    } else if (!FlowTable::finished(*this)) {
      answer(data, 0);
      relays.flows_.finish(*this); // udprpc: one answer
    }
  });
}

void UdpClientFlow::answer(ByteView data, std::uint16_t segment_size_bytes)
{
  listener_.relays_.outbox_.add(listener_,
                                {.to = client_.from,
                                 .payload = data,
                                 .segment_size_bytes = segment_size_bytes,
                                 .source = client_.to,
                                 .interface_index = client_.interface_index});
}

} // namespace slirpstack
