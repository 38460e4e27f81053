#include "gateway/tcp_relay.hh"

#include "base/log.hh"
#include "gateway/refusal.hh"
#include "gateway/tcp_relays.hh"
#include "service/dns_failure_stream.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace slirpstack {

namespace {

// RFC 9293 3.8.4 leaves the numbers open; these are Linux's own (tcp_keepalive_intvl and _probes).
constexpr std::chrono::seconds PROBE_INTERVAL(75);
constexpr std::uint8_t MAX_PROBES = 9;

// 2 MSL with a maximum segment lifetime of two seconds: the link is one hop inside a kernel.
constexpr std::chrono::seconds TIME_WAIT_DURATION(4);

// The guest's resolver library waits five seconds for a server before it asks the next.
constexpr std::chrono::seconds RESOLVER_PATIENCE(2);

// One flow moves at most this many reads before the others have their turn.
constexpr int READS_PER_TURN = 4;

// A smaller read would pin a block many times its size until the guest acknowledges it.
constexpr std::size_t COPY_BELOW_BYTES = 16 << 10;

} // namespace

TcpRelay::TcpRelay(TcpRelays& relays,
                   const FlowKey& key,
                   ParkedSyn syn,
                   std::vector<Endpoint> targets,
                   bool is_dns)
  : Relay(key)
  , relays_(relays)
  , opening_(std::make_unique<Opening>(Opening{std::move(syn), std::move(targets), is_dns, 0}))
  , deadline_(relays.time_.now + (is_dns ? RESOLVER_PATIENCE : relays.settings_.transitory))
  , guest_heard_(relays.time_.now)
{}

TcpRelay::~TcpRelay()
{
  // Cut off in the middle: an orderly end would tell the host that it has everything.
  if (stream_ && !guest_ended_) {
    stream_->reset_on_close();
  }
}

bool TcpRelay::delivering(TimePoint quiet_since) const
{
  if (!connection_ || !stream_ || guest_ended_) {
    return false;
  }
  return connection_->unread_bytes() > 0 || guest_heard_ >= quiet_since;
}

void TcpRelay::open()
{
  try_next_target({std::make_error_code(std::errc::network_unreachable), {}});
}

void TcpRelay::try_next_target(HostError last_error)
{
  while (opening_->next_target < opening_->targets.size()) {
    const Endpoint& target = opening_->targets[opening_->next_target++];
    // The host's resolvers are asked as the host itself would.
    const StreamOptions options
      = opening_->is_dns
          ? StreamOptions{}
          : relays_.stream_options(target.address.family(), opening_->syn.forwarded_hop_limit());
    auto opened = relays_.host_.connect(target, options, *this);
    if (opened.socket) {
      stream_ = std::move(opened.socket);
      return;
    }
    last_error = opened.error;
  }
  if (opening_->is_dns) {
    log(LogLevel::warning,
        "no resolver can be reached over TCP",
        {{"reason", last_error.code.message()}});
    HostStreamEvents& events = *this;
    stream_ = std::make_unique<DnsFailureStream>(events);
    on_connected();
  } else {
    refuse(last_error);
  }
}

void TcpRelay::refuse(const HostError& error)
{
  log(LogLevel::debug,
      "connection refused",
      {{"flow", key().to_string()}, {"reason", error.code.message()}});
  if (error.icmp && error.icmp->offender) {
    relays_.icmp_.report(error, opening_->syn.headers());
  } else if (const ConnectionRefusal refusal = refuse_connection(error);
             std::holds_alternative<Reset>(refusal)) {
    relays_.guest_.send_whole(opening_->syn.reset().bytes());
  } else {
    const auto& unreachable = std::get<Unreachable>(refusal);
    relays_.icmp_.report(unreachable.kind, unreachable.mtu_bytes, opening_->syn.headers());
  }
  relays_.flows_.finish(*this);
}

void TcpRelay::on_connected()
{
  connection_ = opening_->syn.admit(relays_.stack_, *this);
  opening_.reset();
  if (!connection_) {
    fail();
    return;
  }
  restart_deadline(relays_.settings_.idle);
}

void TcpRelay::on_connect_failed(const HostError& error)
{
  stream_.reset();
  try_next_target(error);
}

void TcpRelay::on_segment(GuestPacket&& packet, const IpHeader& ip, std::uint8_t flags)
{
  guest_heard_ = relays_.time_.now;
  probes_ = 0;
  if (opening_) {
    // A retransmitted SYN joins the pending flow; a reset means that the guest has given up.
    if ((flags & TCP_FLAG_RST) != 0) {
      relays_.flows_.finish(*this);
    }
    return;
  }
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
  return connection_ && connection_->closing() && connection_->unread_bytes() == 0;
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
    fail();
  }
}

void TcpRelay::fail()
{
  if (stream_) {
    stream_->reset_on_close();
  }
  stream_.reset();
  if (connection_) {
    connection_->reset();
  }
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
  if (!connection_) {
    return false;
  }
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

void TcpRelay::push_to_host()
{
  std::array<iovec, Connection::MAX_PIECES> pieces; // NOLINT: only what unread() fills is read
  while (stream_ && writable_ && connection_->unread_bytes() > 0) {
    const std::size_t count = connection_->unread(pieces);
    std::size_t offered = 0;
    for (std::size_t i = 0; i < count; ++i) {
      offered += pieces[i].iov_len;
    }
    const Transfer sent = stream_->send(std::span(pieces).first(count));
    if (sent.code) {
      fail();
      return;
    }
    writable_ = !sent.would_block && sent.bytes == offered;
    connection_->consume(sent.bytes);
  }
  if (stream_ && !guest_ended_ && connection_->guest_finished()
      && connection_->unread_bytes() == 0) {
    guest_ended_ = true;
    stream_->shutdown_send();
  }
}

bool TcpRelay::pull_from_host()
{
  for (int reads = 0; reads < READS_PER_TURN; ++reads) {
    if (!stream_ || !readable_) {
      return false;
    }
    // Behind the end of the stream only a reset can come; it is read like one byte more.
    const std::uint32_t room = host_ended_ ? 1 : connection_->room_bytes();
    if (room == 0) {
      return false; // on_room() follows
    }
    if (!pull_once(room)) {
      return false;
    }
  }
  return readable_;
}

bool TcpRelay::pull_once(std::uint32_t room_bytes)
{
  const std::uint32_t segment = connection_->super_segment_bytes();
  const std::span<iovec> pieces = relays_.read_pieces(room_bytes, segment);
  std::size_t wanted = 0;
  for (const iovec& piece : pieces) {
    wanted += piece.iov_len;
  }
  const Transfer received = stream_->receive(pieces);
  if (received.code) {
    fail();
    return false;
  }
  if (received.end_of_stream) {
    on_host_end();
    return false;
  }
  readable_ = !received.would_block && (received.bytes == wanted || hangup_);
  if (received.bytes == 0) {
    return false;
  }
  if (!write_to_guest(received.bytes, segment)) {
    fail();
    return false;
  }
  connection_->push();
  return readable_ && !FlowTable::finished(*this);
}

bool TcpRelay::write_to_guest(std::size_t received_bytes, std::uint32_t segment_bytes)
{
  for (std::size_t i = 0; received_bytes > 0; ++i) {
    const auto length
      = static_cast<std::uint32_t>(std::min<std::size_t>(received_bytes, segment_bytes));
    received_bytes -= length;
    Block block;
    if (length < COPY_BELOW_BYTES) {
      block = relays_.pool_.take_small(length);
      std::memcpy(block->data(), relays_.read_blocks_[i]->data(), length);
    } else {
      block = std::move(relays_.read_blocks_[i]);
    }
    if (!connection_->write(std::move(block), length, received_bytes > 0)) {
      return false;
    }
  }
  return true;
}

void TcpRelay::on_host_end()
{
  readable_ = false;
  if (host_ended_) {
    return;
  }
  host_ended_ = true;
  connection_->finish();
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
    restart_deadline(relays_.settings_.transitory);
  }
}

void TcpRelay::restart_deadline(Duration after)
{
  deadline_ = relays_.time_.now + after;
  relays_.flows_.reschedule(*this);
}

void TcpRelay::on_deadline(TimePoint now)
{
  if (opening_) {
    stream_.reset();
    deadline_ = now + (opening_->is_dns ? RESOLVER_PATIENCE : relays_.settings_.transitory);
    try_next_target({std::make_error_code(std::errc::timed_out), {}});
    return;
  }
  if (lingers()) {
    relays_.flows_.finish(*this);
    return;
  }
  const TimePoint idle_until = guest_heard_ + relays_.settings_.idle;
  if (now < idle_until) { // heard from since the deadline was set
    deadline_ = idle_until;
    return;
  }
  if (probes_ == MAX_PROBES) {
    log(LogLevel::info, "guest no longer answers; flow closed", {{"flow", key().to_string()}});
    fail();
    return;
  }
  ++probes_;
  connection_->probe();
  deadline_ = now + PROBE_INTERVAL;
}

} // namespace slirpstack
