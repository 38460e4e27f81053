#include "gateway/guest_opening.hh"

#include "base/log.hh"
#include "gateway/refusal.hh"
#include "gateway/tcp_relays.hh"
#include "service/dns_failure_stream.hh"
#include "wire/proxy_protocol.hh"

#include <array>
#include <utility>

namespace slirpstack {

namespace {

// The guest's resolver library waits five seconds for a server before it asks the next.
constexpr std::chrono::seconds RESOLVER_PATIENCE(2);

// A forward that names several targets names them to survive one that is dead.
constexpr std::chrono::seconds TARGET_PATIENCE(5);

HostError failure(std::errc what)
{
  return {std::make_error_code(what), std::nullopt};
}

} // namespace

GuestOpening::GuestOpening(TcpRelays& relays, const FlowKey& key, ParkedSyn syn, OutboundPlan plan)
  : TcpFlow(key)
  , relays_(relays)
  , syn_(std::move(syn))
  , kind_(plan.kind)
  , scheme_(plan.scheme)
  , targets_(this->key(), relays.names_, std::move(plan.targets))
  , deadline_(relays.time_.now + patience())
{}

Duration GuestOpening::patience() const
{
  if (kind_ == OutboundPlan::Kind::dns) {
    return RESOLVER_PATIENCE;
  }
  return targets_.left() > 1 ? TARGET_PATIENCE : relays_.settings_.opening;
}

void GuestOpening::start()
{
  try_next_target(failure(std::errc::network_unreachable));
}

void GuestOpening::try_next_target(HostError last_error)
{
  while (targets_.left() > 0) {
    deadline_ = relays_.time_.now + patience();
    relays_.flows_.reschedule(*this);
    const auto target = targets_.next([this] {
      if (!FlowTable::finished(*this)) {
        try_next_target(failure(std::errc::host_unreachable));
      }
    });
    if (targets_.is_looking_up() || (target && connect(*target, last_error))) {
      return;
    }
  }
  if (kind_ == OutboundPlan::Kind::dns) {
    answer_for_resolvers(last_error);
  } else {
    refuse(last_error);
  }
}

bool GuestOpening::connect(const StreamAddress& target, HostError& error)
{
  // What is not the destination itself is reached as the host itself would reach it.
  StreamOptions options;
  if (kind_ == OutboundPlan::Kind::direct) {
    const ChosenSource chosen = relays_.source_of(key().guest.address);
    if (chosen.error.code) {
      error = chosen.error;
      return false;
    }
    options = {.source = chosen.source, .hop_limit = syn_.forwarded_hop_limit()};
  }
  auto opened = relays_.host_.connect(target, options, *this);
  stream_ = std::move(opened.socket);
  if (!stream_) {
    error = opened.error;
  }
  return stream_ != nullptr;
}

void GuestOpening::answer_for_resolvers(const HostError& error)
{
  log(LogLevel::warning, "no resolver can be reached over TCP", {{"reason", error.code.message()}});
  stream_ = std::make_unique<DnsFailureStream>();
  on_connected();
}

void GuestOpening::refuse(const HostError& error)
{
  const bool is_forward = kind_ == OutboundPlan::Kind::forward;
  log(is_forward ? LogLevel::info : LogLevel::debug,
      is_forward ? "no target of the forward takes the connection" : "connection refused",
      {{"flow", key().to_string()}, {"reason", error.code.message()}});
  if (error.icmp && error.icmp->offender) {
    relays_.icmp_.report(error, syn_.headers());
  } else if (const ConnectionRefusal refusal = refuse_connection(error);
             std::holds_alternative<Reset>(refusal)) {
    relays_.guest_.send_whole(syn_.reset().bytes());
  } else {
    const auto& unreachable = std::get<Unreachable>(refusal);
    relays_.icmp_.report(unreachable.kind, unreachable.mtu_bytes, syn_.headers());
  }
  const std::string& lookup_error = targets_.lookup_error();
  relays_.flows_.announce_failure(*this,
                                  lookup_error.empty() ? error.code.message() : lookup_error);
  relays_.flows_.finish(*this);
}

void GuestOpening::on_connected()
{
  if (FlowTable::finished(*this)) {
    return; // and the guest may have begun anew under the same name
  }
  if (!send_proxy_header()) {
    refuse(failure(std::errc::connection_aborted));
    return;
  }
  relays_.admit(*this, std::move(stream_), syn_);
}

/// False: the target has not taken it, though its socket is still empty.
bool GuestOpening::send_proxy_header()
{
  if (kind_ != OutboundPlan::Kind::forward) {
    return true;
  }
  auto version = relays_.settings_.proxy_out;
  if (!version && scheme_ == ForwardScheme::tcppp) {
    version = ProxyHeader::Version::text;
  }
  if (!version) {
    return true;
  }
  std::array<std::uint8_t, ProxyHeader::MAX_WRITTEN_BYTES> bytes{};
  Writer writer(bytes);
  ProxyHeader{.version = *version, .source = key().guest, .destination = key().remote}.write(
    writer);
  const std::array<iovec, 1> pieces{iovec{bytes.data(), writer.written()}};
  return stream_->send(pieces).bytes == writer.written();
}

void GuestOpening::on_connect_failed(const HostError& error)
{
  if (FlowTable::finished(*this)) {
    return;
  }
  stream_.reset();
  try_next_target(error);
}

void GuestOpening::on_segment(GuestPacket&&, const IpHeader&, std::uint8_t flags)
{
  // A retransmitted SYN joins the pending flow; a reset means that the guest has given up.
  if ((flags & TCP_FLAG_RST) != 0) {
    relays_.flows_.finish(*this);
  }
}

void GuestOpening::on_deadline(TimePoint)
{
  stream_.reset();
  targets_.skip();
  try_next_target(failure(std::errc::timed_out));
}

} // namespace slirpstack
