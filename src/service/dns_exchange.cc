#include "service/dns_exchange.hh"

#include <algorithm>
#include <utility>

namespace slirpstack {

namespace {

constexpr std::uint16_t FLAGS_RCODE = 0x000f;

std::vector<std::uint8_t> with_id(ByteView message, std::uint16_t id)
{
  std::vector<std::uint8_t> copy(message.begin(), message.end());
  Writer(copy).u16(id);
  return copy;
}

std::uint16_t id_of(ByteView message)
{
  return Reader(message).u16();
}

std::uint16_t flags_of(ByteView message)
{
  Reader reader(message);
  reader.skip(2);
  return reader.u16();
}

/// Whether another resolver may know better.
bool is_failure(ByteView message)
{
  const unsigned rcode = flags_of(message) & FLAGS_RCODE;
  return rcode == static_cast<unsigned>(DnsRcode::server_failure)
         || rcode == static_cast<unsigned>(DnsRcode::refused);
}

/// Some servers leave the question out when they refuse or do not understand it.
bool is_bare_failure(ByteView query, ByteView message)
{
  return message.size() == DNS_HEADER_BYTES && id_of(message) == id_of(query)
         && (flags_of(message) & DNS_FLAG_RESPONSE) != 0 && (flags_of(message) & FLAGS_RCODE) != 0;
}

} // namespace

/// The query on its way to one resolver: a socket, so a port, and an id of its own.
class DnsExchange::Attempt final : public HostDatagramEvents
{
public:
  Attempt(DnsExchange& exchange, const Endpoint& resolver, std::uint16_t id)
    : exchange_(exchange), resolver_(resolver), query_(with_id(exchange.query(), id))
  {}

  /// Whether the query is under way.
  bool ask(HostNetwork& host)
  {
    auto opened = host.open_datagrams(resolver_.address.family(), std::nullopt, 0, *this);
    if (!opened.socket) {
      return false;
    }
    socket_ = std::move(opened.socket);
    const OutboundDatagram datagram{.to = resolver_, .payload = query_};
    bool failed = false;
    socket_->send(
      {&datagram, 1},
      [](void* context, std::size_t, const HostError&) { *static_cast<bool*>(context) = true; },
      &failed);
    return !failed;
  }
  void close() { socket_.reset(); }

  [[nodiscard]] const Endpoint& resolver() const { return resolver_; }

  void on_datagrams(std::span<const InboundDatagram> datagrams) override
  {
    for (const InboundDatagram& datagram : datagrams) {
      const std::size_t size
        = datagram.segment_size_bytes == 0 ? datagram.payload.size() : datagram.segment_size_bytes;
      for (ByteView rest = datagram.payload; !rest.empty() && datagram.from == resolver_;) {
        const ByteView message = rest.first(std::min(size, rest.size()));
        rest = rest.subspan(message.size());
        if (settle(message)) {
          return;
        }
      }
    }
  }
  void on_error(const HostError&, const Endpoint&, ByteView) override
  {
    exchange_.on_attempt_failed(*this);
  }

private:
  /// False for what is no answer to this; else this attempt, which may be gone, is over.
  bool settle(ByteView message)
  {
    if (is_bare_failure(query_, message)) {
      exchange_.on_attempt_failed(*this);
      return true;
    }
    if (match_response(query_, message)) {
      exchange_.on_message(*this, message);
      return true;
    }
    return false;
  }

  DnsExchange& exchange_;
  Endpoint resolver_;
  std::vector<std::uint8_t> query_;
  std::unique_ptr<HostDatagrams> socket_;
};

DnsExchange::DnsExchange(DnsForwarder& forwarder,
                         const Endpoint& guest,
                         const Endpoint& server,
                         ByteView query,
                         std::deque<Endpoint> resolvers)
  : forwarder_(forwarder)
  , guest_(guest)
  , server_(server)
  , query_(query.begin(), query.end())
  , candidates_(std::move(resolvers))
  , give_up_at_(forwarder.time_.now + forwarder.settings_.total_timeout)
{}

DnsExchange::~DnsExchange() = default;

bool DnsExchange::is_same(const Endpoint& guest, const Endpoint& server, ByteView query) const
{
  return guest == guest_ && server == server_ && std::ranges::equal(query, query_);
}

void DnsExchange::ask_next()
{
  while (!candidates_.empty()) {
    const Endpoint resolver = candidates_.front();
    candidates_.pop_front();
    auto attempt = std::make_unique<Attempt>(*this, resolver, forwarder_.random_id_());
    if (attempt->ask(forwarder_.host_)) {
      candidates_.push_back(resolver); // silent, it is asked again after the others
      attempts_.push_back(std::move(attempt));
      next_attempt_at_ = forwarder_.time_.now + forwarder_.settings_.attempt_timeout;
      return;
    }
  }
  give_up();
}

void DnsExchange::on_deadline()
{
  if (give_up_at_ <= forwarder_.time_.now) {
    give_up();
    return;
  }
  forwarder_.on_silent(attempts_.back()->resolver());
  ask_next();
}

void DnsExchange::on_message(Attempt& attempt, ByteView message)
{
  const auto answer = with_id(message, id_of(query_));
  if (is_failure(message)) {
    bad_answer_ = answer;
    on_attempt_failed(attempt);
    return;
  }
  forwarder_.on_answered(*this, attempt.resolver(), answer);
}

void DnsExchange::on_attempt_failed(Attempt& attempt)
{
  attempt.close();
  std::erase(candidates_, attempt.resolver());
  const bool is_latest = &attempt == attempts_.back().get();
  if (is_latest || candidates_.empty()) {
    ask_next();
  }
}

void DnsExchange::give_up()
{
  forwarder_.on_failed(*this, bad_answer_);
}

} // namespace slirpstack
