#include "service/dns_forwarder.hh"

#include "service/dns_exchange.hh"

#include <algorithm>
#include <array>
#include <utility>

namespace slirpstack {

DnsForwarder::DnsForwarder(const Settings& settings,
                           const EventTime& time,
                           HostNetwork& host,
                           DropCounters& drops,
                           Resolvers resolvers,
                           RandomId random_id,
                           Answer answer)
  : settings_(settings)
  , time_(time)
  , host_(host)
  , drops_(drops)
  , resolvers_(std::move(resolvers))
  , random_id_(std::move(random_id))
  , answer_(std::move(answer))
{}

DnsForwarder::~DnsForwarder() = default;

void DnsForwarder::on_query(const Endpoint& guest, const Endpoint& server, ByteView query)
{
  const auto parsed = DnsQuery::parse(query);
  if (!parsed) {
    on_malformed(guest, server, query, parsed.drop());
    return;
  }
  const bool is_asked_already = std::ranges::any_of(
    exchanges_, [&](const auto& exchange) { return exchange->is_same(guest, server, query); });
  if (is_asked_already) {
    return;
  }
  if (exchanges_.size() >= settings_.max_in_flight) {
    drops_.count(Drop::too_many_flows);
    answer_failure(guest, server, query, DnsRcode::server_failure);
    return;
  }
  exchanges_.push_back(
    std::make_unique<DnsExchange>(*this, guest, server, query, resolvers_by_preference()));
  exchanges_.back()->start();
}

void DnsForwarder::on_malformed(const Endpoint& guest,
                                const Endpoint& server,
                                ByteView query,
                                Drop reason)
{
  drops_.count(reason);
  Reader reader(query);
  reader.skip(2);
  const bool is_response = (reader.u16() & DNS_FLAG_RESPONSE) != 0;
  if (query.size() >= DNS_HEADER_BYTES && !is_response) {
    answer_failure(guest, server, query, DnsRcode::format_error);
  }
}

void DnsForwarder::refuse(const Endpoint& guest, const Endpoint& server, ByteView query)
{
  if (const auto parsed = DnsQuery::parse(query)) {
    answer_failure(guest, server, query, DnsRcode::refused);
  } else {
    on_malformed(guest, server, query, parsed.drop());
  }
}

void DnsForwarder::answer_failure(const Endpoint& guest,
                                  const Endpoint& server,
                                  ByteView query,
                                  DnsRcode rcode)
{
  std::array<std::uint8_t, DNS_FAILURE_MAX_BYTES> bytes; // NOLINT: read only where written
  Writer writer(bytes);
  if (const auto parsed = DnsQuery::parse(query)) {
    write_dns_failure(writer, *parsed, rcode);
  } else {
    // Without a question that could be repeated: the header alone (RFC 1035 4.1.1).
    Reader reader(query);
    writer.u16(reader.u16());
    writer.u16(static_cast<std::uint16_t>((reader.u16() & DNS_FLAG_RECURSION_DESIRED)
                                          | DNS_FLAG_RESPONSE | DNS_FLAG_RECURSION_AVAILABLE
                                          | static_cast<std::uint16_t>(rcode)));
    writer.zeros(8);
  }
  answer_(guest, server, ByteView(bytes).first(writer.written()));
}

std::deque<Endpoint> DnsForwarder::resolvers_by_preference() const
{
  const std::vector<Endpoint> listed = resolvers_();
  std::deque<Endpoint> ordered(listed.begin(), listed.end());
  if (preferred_ && time_.now < preferred_until_) {
    const auto found = std::ranges::find(ordered, *preferred_);
    std::rotate(ordered.begin(), found, found == ordered.end() ? found : found + 1);
  }
  return ordered;
}

TimePoint DnsForwarder::next_deadline() const
{
  TimePoint next = NEVER;
  for (const auto& exchange : exchanges_) {
    next = std::min(next, exchange->deadline());
  }
  return next;
}

void DnsForwarder::expire()
{
  for (auto next = exchanges_.begin(); next != exchanges_.end();) {
    DnsExchange& exchange = **next++; // it may end
    if (exchange.deadline() <= time_.now) {
      exchange.on_deadline();
    }
  }
}

void DnsForwarder::on_answered(const DnsExchange& exchange,
                               const Endpoint& resolver,
                               ByteView message)
{
  preferred_ = resolver;
  preferred_until_ = time_.now + settings_.preference_lifetime;
  answer_(exchange.guest(), exchange.server(), message);
  erase(exchange);
}

void DnsForwarder::on_silent(const Endpoint& resolver)
{
  if (preferred_ == resolver) {
    preferred_.reset();
  }
}

void DnsForwarder::on_failed(const DnsExchange& exchange, ByteView bad_answer)
{
  if (bad_answer.empty()) {
    answer_failure(exchange.guest(), exchange.server(), exchange.query(), DnsRcode::server_failure);
  } else {
    answer_(exchange.guest(), exchange.server(), bad_answer);
  }
  erase(exchange);
}

void DnsForwarder::erase(const DnsExchange& exchange)
{
  std::erase_if(exchanges_, [&](const auto& other) { return other.get() == &exchange; });
}

} // namespace slirpstack
