#include "gateway/host_opening.hh"

#include "base/log.hh"
#include "gateway/tcp_relays.hh"

#include <algorithm>
#include <array>
#include <utility>

namespace slirpstack {

namespace {

// RFC 9293 3.8.3 asks for minutes, over an internet; the guest is a queue away, and what waits for
// it takes a flow from others.
constexpr std::chrono::seconds GUEST_PATIENCE(30);

} // namespace

HostOpening::HostOpening(TcpRelays& relays,
                         const FlowKey& key,
                         std::unique_ptr<HostStream> stream,
                         InboundPlan rest)
  : TcpFlow(key)
  , relays_(relays)
  , stream_(std::move(stream))
  , rest_(std::move(rest))
  , deadline_(relays.time_.now + std::min<Duration>(GUEST_PATIENCE, relays.settings_.opening))
{
  stream_->deliver_to(*this);
}

HostOpening::~HostOpening()
{
  if (stream_) {
    stream_->reset_on_close();
  }
}

void HostOpening::start()
{
  connection_ = Connection::dial(relays_.stack_, *this, key().remote, key().guest);
  if (!connection_) {
    relays_.drops_.count(Drop::no_memory);
    relays_.flows_.finish(*this);
  }
}

void HostOpening::on_segment(GuestPacket&& packet, const IpHeader& ip, std::uint8_t)
{
  if (!connection_->input(std::move(packet), ip)) {
    relays_.drops_.count(Drop::no_memory);
  }
}

void HostOpening::on_readable(bool hangup)
{
  if (FlowTable::finished(*this)) {
    return;
  }
  readable_ = true;
  hangup_ = hangup_ || hangup;
  // A client may send, and end its sending, before the guest has answered; one that has reset
  // the connection does not wait for it any more.
  std::array<std::uint8_t, 1> byte; // NOLINT: not looked at
  if (hangup && stream_->peek(byte).code) {
    relays_.flows_.finish(*this);
  }
}

void HostOpening::on_established()
{
  if (FlowTable::finished(*this)) {
    return;
  }
  relays_.join(*this, std::move(stream_), std::move(connection_), readable_, hangup_);
}

void HostOpening::on_gone()
{
  try_next_target();
}

void HostOpening::on_guest_unreachable()
{
  try_next_target();
}

void HostOpening::on_deadline(TimePoint)
{
  try_next_target();
}

void HostOpening::try_next_target()
{
  if (FlowTable::finished(*this)) {
    return;
  }
  if (rest_.targets.empty()) {
    log(LogLevel::info,
        "nobody in the guest takes the connection (to listen on 127.0.0.1 alone is not enough)",
        {{"flow", key().to_string()}});
    relays_.flows_.announce_failure(*this, "connection refused");
  } else {
    relays_.open_from_host(std::move(stream_), std::move(rest_));
  }
  relays_.flows_.finish(*this);
}

} // namespace slirpstack
