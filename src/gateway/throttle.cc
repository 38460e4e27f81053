#include "gateway/throttle.hh"

#include <algorithm>
#include <limits>

namespace slirpstack {

namespace {

constexpr std::uint64_t MOST_RATED_BYTES = 16 << 10;

} // namespace

Throttle::Allowance Throttle::ask_to_send(std::span<const iovec> next, TimePoint now)
{
  std::size_t offered = 0;
  for (const iovec& piece : next) {
    offered += piece.iov_len;
  }
  const Allowance queries = ask_for_queries(next, now);
  if (queries.bytes == 0) {
    return queries;
  }
  return ask_for_bytes(std::min(offered, queries.bytes), now);
}

void Throttle::on_sent(std::span<const iovec> next,
                       std::size_t sent_bytes,
                       std::size_t allowed_bytes,
                       TimePoint now)
{
  charge_queries(next, sent_bytes, now);
  give_back(allowed_bytes - sent_bytes);
}

Throttle::Allowance Throttle::ask_for_bytes(std::size_t wanted_bytes, TimePoint now)
{
  RuleAccount* const rule = record_.grant.rule();
  if (rule == nullptr || !rule->bytes) {
    return {.bytes = wanted_bytes};
  }
  // Not by single bytes: what a twentieth of a second brings, up to a good-sized call's worth.
  const std::uint64_t least
    = std::clamp<std::uint64_t>(rule->bytes->rate() / 20, 1, MOST_RATED_BYTES);
  const TimePoint enough = rule->bytes->available_at(std::min(least, wanted_bytes), now);
  if (enough > now) {
    return {.bytes = 0, .retry_at = enough};
  }
  return {.bytes = rule->bytes->take_up_to(wanted_bytes, now)};
}

void Throttle::give_back(std::size_t unused_bytes)
{
  RuleAccount* const rule = record_.grant.rule();
  if (rule != nullptr && rule->bytes && unused_bytes > 0) {
    rule->bytes->give_back(unused_bytes);
  }
}

Throttle::Allowance Throttle::ask_for_queries(std::span<const iovec> next, TimePoint now)
{
  constexpr Allowance UNLIMITED{.bytes = std::numeric_limits<std::size_t>::max()};
  if (record_.origin != FlowOrigin::service) {
    return UNLIMITED;
  }
  if (!queries_) {
    queries_ = std::make_unique<DnsStream>();
  }
  RuleAccount* const rule = record_.grant.rule();
  if (rule == nullptr || !rule->queries) {
    return UNLIMITED;
  }
  const TimePoint next_query = rule->queries->available_at(1, now);
  const std::size_t allowed = queries_->prefix(next, next_query > now ? 0 : 1);
  if (allowed == 0) {
    ++rule->limited;
  }
  return {.bytes = allowed, .retry_at = next_query};
}

void Throttle::charge_queries(std::span<const iovec> sent, std::size_t length_bytes, TimePoint now)
{
  if (!queries_) {
    return;
  }
  const std::uint64_t begun = queries_->pass(sent, length_bytes);
  RuleAccount* const rule = record_.grant.rule();
  if (rule != nullptr && rule->queries && begun > 0) {
    static_cast<void>(rule->queries->take_up_to(begun, now));
  }
}

} // namespace slirpstack
