#include "gateway/udp_target_flow.hh"

#include "gateway/udp_run.hh"
#include "wire/simple_proxy.hh"

#include <algorithm>
#include <utility>

namespace slirpstack {

namespace {

// A name is looked up in milliseconds; who sends more meanwhile floods.
constexpr std::size_t MAX_WAITING = 16;

} // namespace

UdpTargetFlow::UdpTargetFlow(UdpRelays& relays, const FlowKey& key, const RemoteForward& forward)
  : UdpRelay(key)
  , relays_(relays)
  , scheme_(forward.scheme)
  , targets_(this->key(), relays.names_, forward.targets)
  , last_active_(relays.time_.now)
{}

UdpTargetFlow::~UdpTargetFlow()
{
  relays_.outbox_.forget(*this);
}

std::optional<Endpoint> UdpTargetFlow::host_local() const
{
  return socket_ ? std::optional(socket_->local_towards(target_)) : std::nullopt;
}

std::optional<StreamAddress> UdpTargetFlow::host_remote() const
{
  return socket_ ? std::optional<StreamAddress>(target_) : std::nullopt;
}

TimePoint UdpTargetFlow::deadline() const
{
  return last_active_ + relays_.settings_.timeout;
}

void UdpTargetFlow::on_deadline(TimePoint)
{
  relays_.flows_.finish(*this);
}

void UdpTargetFlow::on_guest_datagram(const GuestDatagram& datagram)
{
  last_active_ = relays_.time_.now;
  if (socket_) {
    send(datagram);
    return;
  }
  for_each_datagram(
    datagram.data, datagram.segment_size_bytes, [this](ByteView data) { keep(data); });
  if (!targets_.is_looking_up()) {
    try_next_target({std::make_error_code(std::errc::connection_refused), std::nullopt});
  }
}

void UdpTargetFlow::keep(ByteView data)
{
  if (waiting_.size() == MAX_WAITING) {
    relays_.drops_.count(Drop::host_full);
    return;
  }
  waiting_.emplace_back(data.begin(), data.end());
}

void UdpTargetFlow::try_next_target(const HostError& last_error)
{
  HostError error = last_error;
  while (targets_.left() > 0) {
    const auto target = targets_.next([this] {
      if (!FlowTable::finished(*this)) {
        try_next_target({std::make_error_code(std::errc::host_unreachable), {}});
      }
    });
    if (targets_.is_looking_up()) {
      return;
    }
    // UDP is not forwarded to Unix sockets.
    if (target && open(std::get<Endpoint>(*target), error)) {
      for (const auto& data : std::exchange(waiting_, {})) {
        send_one(data);
      }
      return;
    }
  }
  const ByteView first = waiting_.empty() ? ByteView() : ByteView(waiting_.front());
  relays_.icmp_.report_udp(error, key().guest, key().remote, first);
  const std::string& lookup_error = targets_.lookup_error();
  relays_.flows_.announce_failure(*this,
                                  lookup_error.empty() ? error.code.message() : lookup_error);
  relays_.flows_.finish(*this);
}

bool UdpTargetFlow::open(const Endpoint& target, HostError& error)
{
  auto opened = relays_.host_.open_datagrams(target.address.family(), std::nullopt, 0, *this);
  if (!opened.socket) {
    error = opened.error;
    return false;
  }
  socket_ = std::move(opened.socket);
  target_ = target;
  if (!record().announced) {
    relays_.flows_.announce(*this);
  }
  return true;
}

void UdpTargetFlow::send(const GuestDatagram& datagram)
{
  if (scheme_ == ForwardScheme::udpspp) {
    for_each_datagram(
      datagram.data, datagram.segment_size_bytes, [this](ByteView data) { send_one(data); });
    return;
  }
  record().traffic.to_host_bytes += datagram.data.size();
  relays_.outbox_.add(*this,
                      {.to = target_,
                       .payload = datagram.data,
                       .segment_size_bytes = datagram.segment_size_bytes,
                       .source = std::nullopt});
}

void UdpTargetFlow::send_one(ByteView data)
{
  record().traffic.to_host_bytes += data.size();
  if (scheme_ != ForwardScheme::udpspp) {
    relays_.outbox_.add(*this, {.to = target_, .payload = data, .source = std::nullopt});
    return;
  }
  const ByteView framed
    = relays_.framer_.frame({.client = key().guest, .proxy = key().remote}, data);
  relays_.outbox_.add(*this, {.to = target_, .payload = framed, .source = std::nullopt});
}

void UdpTargetFlow::on_send_failed(const OutboundDatagram& datagram, const HostError& error)
{
  if (UdpRelays::is_full(error)) {
    relays_.drops_.count(Drop::host_full);
    return;
  }
  report(error, datagram.payload);
}

void UdpTargetFlow::on_error(const HostError& error, const Endpoint&, ByteView payload)
{
  if (FlowTable::finished(*this)) {
    return;
  }
  // Only a closed port says that nobody is there; an error of the path may pass. And who has
  // answered once is the one: the guest hears of the error, as from any host.
  const bool has_answered = record().traffic.to_guest_bytes > 0;
  if (targets_.left() == 0 || has_answered || error.code != std::errc::connection_refused) {
    report(error, payload);
    return;
  }
  // What was sent is lost, as datagrams may be; the next go elsewhere.
  relays_.outbox_.forget(*this);
  socket_.reset();
  try_next_target(error);
}

void UdpTargetFlow::report(const HostError& error, ByteView payload)
{
  if (scheme_ == ForwardScheme::udpspp) {
    payload = payload.subspan(std::min(payload.size(), SimpleProxyHeader::SIZE_BYTES));
  }
  // Of the forward the guest sees only the address that it asked: so says who complains.
  HostError told = error;
  if (told.icmp) {
    told.icmp->offender.reset();
  }
  relays_.icmp_.report_udp(told, key().guest, key().remote, payload);
}

void UdpTargetFlow::on_datagrams(std::span<const InboundDatagram> datagrams)
{
  UdpRun run(relays_.guest_);
  for (const InboundDatagram& datagram : datagrams) {
    if (datagram.from != target_) {
      relays_.drops_.count(Drop::udp_filtered);
      continue;
    }
    last_active_ = relays_.time_.now;
    if (scheme_ == ForwardScheme::udp) {
      record().traffic.to_guest_bytes += datagram.payload.size();
      run.add(key().remote, key().guest, datagram.payload, datagram.segment_size_bytes);
    } else {
      for_each_datagram(
        datagram.payload, datagram.segment_size_bytes, [&](ByteView data) { deliver(data, run); });
    }
  }
  run.flush();
}

void UdpTargetFlow::deliver(ByteView data, UdpRun& run)
{
  if (FlowTable::finished(*this)) {
    return; // udprpc: one answer
  }
  if (scheme_ == ForwardScheme::udpspp) {
    if (const auto header = SimpleProxyHeader::parse(data); !header) {
      relays_.drops_.count(header.drop());
      return;
    }
    data = data.subspan(SimpleProxyHeader::SIZE_BYTES);
  }
  record().traffic.to_guest_bytes += data.size();
  run.add(key().remote, key().guest, data, 0);
  if (scheme_ == ForwardScheme::udprpc) {
    relays_.flows_.finish(*this);
  }
}

} // namespace slirpstack
