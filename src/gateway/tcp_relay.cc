#include "gateway/tcp_relay.hh"

#include "base/log.hh"
#include "gateway/tcp_relays.hh"

#include <utility>

namespace slirpstack {

namespace {

// 2 MSL with a maximum segment lifetime of two seconds: the link is one hop inside a kernel.
constexpr std::chrono::seconds TIME_WAIT_DURATION(4);

} // namespace

TcpRelay::TcpRelay(TcpRelays& relays, const FlowKey& key, std::unique_ptr<HostStream> stream)
  : TcpFlow(key)
  , relays_(relays)
  , stream_(std::move(stream))
  , deadline_(relays.time_.now + relays.settings_.idle)
  , keepalive_(relays.settings_.idle, relays.time_.now)
  , throttle_(record())
{
  stream_->deliver_to(*this);
}

TcpRelay::~TcpRelay()
{
  // Cut off in the middle: an orderly end would tell the host that it has everything.
  if (stream_ && !guest_ended_) {
    stream_->reset_on_close();
  }
}

bool TcpRelay::delivering(TimePoint quiet_since) const
{
  if (!stream_ || guest_ended_) {
    return false;
  }
  return connection_->unread_bytes() > 0 || keepalive_.heard_at() >= quiet_since;
}

bool TcpRelay::admit(const ParkedSyn& syn)
{
  connection_ = syn.admit(relays_.stack_, *this);
  return connection_ != nullptr;
}

void TcpRelay::take(std::unique_ptr<Connection> connection, bool readable, bool hangup)
{
  connection_ = std::move(connection);
  connection_->deliver_to(*this);
  readable_ = readable;
  hangup_ = hangup;
  note_work();
}

std::optional<Endpoint> TcpRelay::host_local() const
{
  return stream_ ? stream_->local() : std::nullopt;
}

std::optional<StreamAddress> TcpRelay::host_remote() const
{
  return stream_ ? stream_->remote() : std::nullopt;
}

void TcpRelay::note_end(Side side, Act act, std::error_code error)
{
  const bool by_host = record().origin == FlowOrigin::local_forward;
  const bool is_initiator = (side == Side::host) == by_host;
  using enum FlowEnd::Part;
  const FlowEnd::Part read = is_initiator ? initiator_read : target_read;
  const FlowEnd::Part write = is_initiator ? initiator_write : target_write;
  record().end.note(act == Act::read ? read : write, error);
}

void TcpRelay::on_segment(GuestPacket&& packet, const IpHeader& ip, std::uint8_t flags)
{
  keepalive_.on_heard(relays_.time_.now);
  if ((flags & TCP_FLAG_SYN) != 0 && connection_->closing()) {
    return; // the host still takes the old connection's data; the guest will ask again
  }
  if (!connection_->input(std::move(packet), ip)) {
    relays_.drops_.count(Drop::no_memory);
  }
  if (connection_->in_time_wait()) {
    note_work();
  }
}

bool TcpRelay::gives_way_to_syn() const
{
  return connection_->closing() && connection_->unread_bytes() == 0;
}

void TcpRelay::on_readable(bool hangup)
{
  readable_ = true;
  hangup_ = hangup_ || hangup;
  note_work();
}

void TcpRelay::on_writable()
{
  writable_ = true;
  note_work();
}

void TcpRelay::on_established()
{
  note_work();
}

void TcpRelay::on_guest_data()
{
  note_work();
}

void TcpRelay::on_room()
{
  if (readable_) {
    note_work();
  }
}

void TcpRelay::on_gone()
{
  if (host_ended_ && guest_ended_) {
    relays_.flows_.finish(*this); // closed in order
  } else if (host_ended_ && connection_->guest_finished()) {
    note_work(); // closed in order, but the host still has to take the rest
  } else {
    note_end(Side::guest, Act::read, std::make_error_code(std::errc::connection_reset));
    fail();
  }
}

void TcpRelay::fail()
{
  if (stream_) {
    stream_->reset_on_close();
  }
  stream_.reset();
  connection_->reset();
  relays_.flows_.finish(*this);
}

void TcpRelay::note_work()
{
  if (std::exchange(has_work_, true)) {
    return;
  }
  relays_.work_.push_back(this);
}

bool TcpRelay::work()
{
  push_to_host();
  if (FlowTable::finished(*this)) {
    return false;
  }
  const bool more = pull_from_host();
  if (FlowTable::finished(*this)) {
    return false;
  }
  connection_->acknowledge(); // last, so that data towards the guest has carried it already
  if (FlowTable::finished(*this)) {
    return false;
  }
  close_if_done();
  return more;
}

void TcpRelay::close_if_done()
{
  if (!host_ended_ || !guest_ended_) {
    return;
  }
  if (connection_->gone()) {
    relays_.flows_.finish(*this);
    return;
  }
  const bool was_open = stream_ != nullptr;
  stream_.reset();
  if (connection_->in_time_wait()) {
    if (deadline_ > relays_.time_.now + TIME_WAIT_DURATION) {
      restart_deadline(TIME_WAIT_DURATION);
    }
  } else if (was_open) {
    restart_deadline(relays_.settings_.closing);
  }
}

void TcpRelay::restart_deadline(Duration after)
{
  deadline_ = relays_.time_.now + after;
  relays_.flows_.reschedule(*this);
}

void TcpRelay::on_deadline(TimePoint now)
{
  if (lingers()) {
    relays_.flows_.finish(*this);
    return;
  }
  const Keepalive::Check check = keepalive_.check(now);
  if (check.verdict == Keepalive::Verdict::dead) {
    log(LogLevel::info, "guest no longer answers; flow closed", {{"flow", key().to_string()}});
    fail();
    return;
  }
  if (check.verdict == Keepalive::Verdict::probe) {
    connection_->probe();
  }
  deadline_ = check.next;
}

} // namespace slirpstack
