#include "flow/rule.hh"

#include "wire/ip.hh"

#include <doctest/doctest.h>

using namespace slirpstack;

namespace {

IpAddress address(std::string_view text)
{
  return IpAddress::parse(text).value();
}

Rule rule(std::string_view text)
{
  const std::vector<Rule> rules = parse_rules(text);
  REQUIRE(rules.size() == 1);
  return rules.front();
}

FlowRequest request(std::uint8_t protocol, std::string_view to, std::uint16_t port = 0)
{
  return {.direction = FlowDirection::out,
          .protocol = protocol,
          .source = address("10.0.2.100"),
          .destination = {address(to), port}};
}

bool matches(std::string_view text, const FlowRequest& flow)
{
  return rule(text).matches(flow, {});
}

} // namespace

TEST_CASE("a rule about anyone matches every protocol and family")
{
  CHECK(matches("deny any", request(PROTOCOL_TCP, "192.0.2.1", 80)));
  CHECK(matches("deny any", request(PROTOCOL_UDP, "2001:db8::1", 0)));
  CHECK(matches("deny any", request(PROTOCOL_ICMP, "192.0.2.1")));
  CHECK(matches("deny any", request(PROTOCOL_ICMPV6, "2001:db8::1")));
}

TEST_CASE("a protocol keeps to itself, and icmp is of either version")
{
  CHECK(matches("deny tcp://any", request(PROTOCOL_TCP, "192.0.2.1", 80)));
  CHECK_FALSE(matches("deny tcp://any", request(PROTOCOL_UDP, "192.0.2.1", 80)));
  CHECK(matches("deny udp://any", request(PROTOCOL_UDP, "192.0.2.1", 80)));
  CHECK_FALSE(matches("deny udp://any", request(PROTOCOL_ICMP, "192.0.2.1")));
  CHECK(matches("deny icmp://any", request(PROTOCOL_ICMP, "192.0.2.1")));
  CHECK(matches("deny icmp://any", request(PROTOCOL_ICMPV6, "2001:db8::1")));
  CHECK_FALSE(matches("deny icmp://any", request(PROTOCOL_TCP, "192.0.2.1")));
}

TEST_CASE("a network holds its addresses and no others")
{
  CHECK(matches("deny 10.0.0.0/8", request(PROTOCOL_TCP, "10.255.255.255", 1)));
  CHECK_FALSE(matches("deny 10.0.0.0/8", request(PROTOCOL_TCP, "11.0.0.0", 1)));
  CHECK_FALSE(matches("deny 0.0.0.0/0", request(PROTOCOL_TCP, "2001:db8::1", 1)));
  CHECK(matches("deny [2001:db8::/32]", request(PROTOCOL_TCP, "2001:db8:ffff::1", 1)));
  CHECK_FALSE(matches("deny [2001:db8::1]", request(PROTOCOL_TCP, "2001:db8::2", 1)));
}

TEST_CASE("a rule with ports is about those, and never about ICMP")
{
  const std::string_view text = "deny any:80,8000-8010";
  CHECK(matches(text, request(PROTOCOL_TCP, "192.0.2.1", 80)));
  CHECK(matches(text, request(PROTOCOL_UDP, "192.0.2.1", 8010)));
  CHECK_FALSE(matches(text, request(PROTOCOL_UDP, "192.0.2.1", 8011)));
  CHECK_FALSE(matches("deny any:0-65535", request(PROTOCOL_ICMP, "192.0.2.1")));
  CHECK_FALSE(matches("deny any:0-65535", request(PROTOCOL_ICMPV6, "2001:db8::1")));
  CHECK(matches("deny any:0-65535", request(PROTOCOL_UDP, "192.0.2.1", 0)));
}

TEST_CASE("a direction and a source may be asked for as well")
{
  FlowRequest flow = request(PROTOCOL_TCP, "192.0.2.1", 80);
  CHECK(matches("deny out any", flow));
  CHECK_FALSE(matches("deny in any", flow));
  CHECK(matches("deny any from 10.0.2.0/24", flow));
  CHECK_FALSE(matches("deny any from 10.0.3.0/24", flow));
  CHECK_FALSE(matches("deny any from fd00::/64", flow));
  flow.direction = FlowDirection::in;
  CHECK(matches("deny any", flow));
  CHECK(matches("deny in any", flow));
  CHECK_FALSE(matches("deny out any", flow));
}

TEST_CASE("a name matches the addresses that it was given")
{
  const Rule named = rule("allow tcp://web.example:443");
  const std::vector<IpAddress> addresses{address("192.0.2.1"), address("2001:db8::1")};
  CHECK(named.matches(request(PROTOCOL_TCP, "192.0.2.1", 443), addresses));
  CHECK(named.matches(request(PROTOCOL_TCP, "2001:db8::1", 443), addresses));
  CHECK_FALSE(named.matches(request(PROTOCOL_TCP, "192.0.2.2", 443), addresses));
  CHECK_FALSE(named.matches(request(PROTOCOL_TCP, "192.0.2.1", 80), addresses));
  CHECK_FALSE(named.matches(request(PROTOCOL_TCP, "192.0.2.1", 443), {}));
}

TEST_CASE("an action has the name that it is written by")
{
  CHECK(action_name(RuleAction::allow) == "allow");
  CHECK(action_name(RuleAction::deny) == "deny");
  CHECK(action_name(RuleAction::drop) == "drop");
  CHECK(action_name(RuleAction::reject) == "reject");
}

TEST_CASE("an error in a rules file says where")
{
  const RuleError error(3, 7, "the reason");
  CHECK(error.line() == 3);
  CHECK(error.column() == 7);
  CHECK(std::string(error.what()) == "line 3, column 7: the reason");
}
