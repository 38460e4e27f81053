// The example in slirpstack-rules(5) does what the page says.

#include "flow/policy.hh"
#include "wire/ip.hh"

#include <doctest/doctest.h>
#include <fstream>
#include <string>

using namespace slirpstack;

namespace {

/// The literal block under EXAMPLES.
std::string example_of_the_page()
{
  std::ifstream page(SLIRPSTACK_RULES_PAGE);
  REQUIRE(page);
  std::string text;
  std::string line;
  while (std::getline(page, line) && line != ".Sh EXAMPLES") {}
  while (std::getline(page, line) && line != ".Bd -literal") {}
  while (std::getline(page, line) && line != ".Ed") {
    text += line + '\n';
  }
  return text;
}

/// The default policy of a host without networks, with the page's example as its rules.
struct Example
{
  Example() { policy.set_rules(RuleSet(parse_rules(example_of_the_page()), TimePoint())); }

  [[nodiscard]] static FlowRequest to(std::string_view address,
                                      std::uint16_t port,
                                      std::uint8_t protocol = PROTOCOL_TCP)
  {
    return {.direction = FlowDirection::out,
            .protocol = protocol,
            .source = IpAddress::parse("10.0.2.100").value(),
            .destination = {IpAddress::parse(address).value(), port}};
  }
  [[nodiscard]] RuleAction action(const FlowRequest& flow) const
  {
    return policy.decide(flow, HostNetworks()).action;
  }

  Policy policy{
    {.guest_networks = {Prefix::parse("10.0.2.0/24").value(), Prefix::parse("fd00::/64").value()}}};
};

} // namespace

TEST_CASE("the example of the rules' page leaves DNS open in both families")
{
  const Example example;
  for (const char* address : {"10.0.2.3", "fd00::3"}) {
    for (const std::uint8_t protocol : {PROTOCOL_TCP, PROTOCOL_UDP}) {
      CAPTURE(address);
      const Verdict verdict = example.policy.decide_service(Example::to(address, 53, protocol));
      CHECK(verdict.allows());
      REQUIRE(verdict.rule);
      CHECK(verdict.rule->rule.limits.queries_per_second == 20);
    }
  }
}

TEST_CASE("the example of the rules' page keeps what the defaults refuse refused")
{
  const Example example;
  for (const char* address :
       {"127.0.0.1", "169.254.169.254", "10.1.2.3", "::1", "fd00:ec2::254", "fe80::1"}) {
    for (const std::uint16_t port : {80, 443}) {
      CAPTURE(address);
      CHECK(example.action(Example::to(address, port)) == RuleAction::deny);
    }
  }
}

TEST_CASE("the example of the rules' page is about the web alone")
{
  Example example;
  for (const char* address : {"192.0.2.1", "2001:db8::1"}) {
    CAPTURE(address);
    CHECK(example.action(Example::to(address, 80)) == RuleAction::allow);
    CHECK(example.action(Example::to(address, 443)) == RuleAction::allow);
    for (const std::uint16_t port : {1, 25, 79, 81, 442, 444, 8080, 65535}) {
      CHECK(example.action(Example::to(address, port)) == RuleAction::deny);
    }
    CHECK(example.action(Example::to(address, 443, PROTOCOL_UDP)) == RuleAction::deny);
  }
  const IpAddress named = IpAddress::parse("192.0.2.7").value();
  example.policy.set_addresses({.name = "example.org", .server = {}}, {&named, 1});
  const Verdict verdict = example.policy.decide(Example::to("192.0.2.7", 443), HostNetworks());
  REQUIRE(verdict.rule);
  CHECK(verdict.rule->rule.limits.max_flows == 100);
}

TEST_CASE("the example of the rules' page turns a network's clients away")
{
  const Example example;
  FlowRequest client = Example::to("10.0.2.100", 22);
  client.direction = FlowDirection::in;
  client.source = IpAddress::parse("198.51.100.7").value();
  CHECK(example.action(client) == RuleAction::reject);
  client.source = IpAddress::parse("203.0.113.7").value();
  CHECK(example.action(client) == RuleAction::allow);
}
