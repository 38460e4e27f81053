#include "gateway/throttle.hh"

#include "flow/rule_set.hh"

#include <array>
#include <doctest/doctest.h>
#include <string>

namespace slirpstack {

using namespace std::chrono_literals;

namespace {

constexpr TimePoint START{std::chrono::hours(1)};

/// A flow under a rule with those limits.
FlowRecord record_under(const RuleLimits& limits, FlowOrigin origin = FlowOrigin::outbound)
{
  Rule rule;
  rule.action = RuleAction::allow;
  rule.limits = limits;
  FlowRecord record;
  record.origin = origin;
  record.grant = Grant(std::make_shared<RuleAccount>(rule, START), nullptr, IpAddress{});
  return record;
}

std::array<iovec, 1> piece(std::string& bytes)
{
  return {iovec{bytes.data(), bytes.size()}};
}

/// A DNS message of that many bytes, behind its length.
std::string message(std::size_t length_bytes)
{
  std::string bytes(2 + length_bytes, 'x');
  bytes[0] = static_cast<char>(length_bytes >> 8U);
  bytes[1] = static_cast<char>(length_bytes & 0xffU);
  return bytes;
}

} // namespace

TEST_CASE("a flow under no rule moves what it likes")
{
  const FlowRecord record;
  Throttle throttle(record);
  std::string bytes(100000, 'x');
  CHECK(throttle.ask_to_send(piece(bytes), START).bytes == bytes.size());
  CHECK(throttle.ask_to_receive(1 << 20, START).bytes == 1 << 20);
}

TEST_CASE("a rate that is used up says when there is more")
{
  const FlowRecord record = record_under({.bytes_per_second = 20000});
  Throttle throttle(record);
  const std::size_t burst = record.grant.rule()->bytes->burst();
  CHECK(throttle.ask_to_receive(burst, START).bytes == burst);
  const Throttle::Allowance none = throttle.ask_to_receive(5000, START);
  CHECK(none.bytes == 0);
  CHECK(none.retry_at == START + 50ms); // a twentieth of a second's worth
  CHECK(throttle.ask_to_receive(5000, none.retry_at).bytes == 1000);
}

TEST_CASE("both directions share one rate, and what was not used goes back")
{
  const FlowRecord record = record_under({.bytes_per_second = 20000});
  Throttle throttle(record);
  const std::size_t burst = record.grant.rule()->bytes->burst();
  std::string bytes(burst, 'x');
  CHECK(throttle.ask_to_send(piece(bytes), START).bytes == burst);
  throttle.on_sent(piece(bytes), burst - 3000, burst, START);
  CHECK(throttle.ask_to_receive(burst, START).bytes == 3000);
  throttle.on_received(1000, 3000);
  CHECK(throttle.ask_to_receive(burst, START).bytes == 2000);
}

TEST_CASE("queries to our DNS address go one by one, as their limit allows")
{
  const FlowRecord record = record_under({.queries_per_second = 1}, FlowOrigin::service);
  Throttle throttle(record);
  static_cast<void>(record.grant.rule()->queries->take_up_to(1000, START));
  std::string two = message(10) + message(20);
  const Throttle::Allowance first = throttle.ask_to_send(piece(two), START + 1s);
  CHECK(first.bytes == 12);
  throttle.on_sent(piece(two), 12, 12, START + 1s);
  std::string rest = message(20);
  const Throttle::Allowance second = throttle.ask_to_send(piece(rest), START + 1s);
  CHECK(second.bytes == 0);
  CHECK(second.retry_at == START + 2s);
  CHECK(record.grant.rule()->limited == 1);
}

TEST_CASE("what is no connection to our DNS address has no queries")
{
  const FlowRecord record = record_under({.queries_per_second = 1});
  Throttle throttle(record);
  static_cast<void>(record.grant.rule()->queries->take_up_to(1000, START));
  std::string bytes = message(10) + message(20);
  CHECK(throttle.ask_to_send(piece(bytes), START).bytes == bytes.size());
}

} // namespace slirpstack
