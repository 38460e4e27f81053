#include "flow/rule_set.hh"

#include "wire/ip.hh"

#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <random>

namespace slirpstack {

namespace {

/// Networks of every length that all look alike, so that each flow is in some.
std::string random_rules(std::mt19937& random, int count)
{
  std::string text;
  for (int i = 0; i < count; ++i) {
    switch (random() % 5) {
      case 0:
        text += fmt::format("deny tcp://any:{}\n", random() % 64 + 1);
        continue;
      case 1:
        text += fmt::format(
          "deny {} any from 10.{}.0.0/{}\n", random() % 2 == 0 ? "in" : "out", random() % 4, 14);
        continue;
      case 2:
        text += fmt::format("deny udp://10.{}.0.0/16:{}-{},{}\n",
                            random() % 4,
                            10 + random() % 10,
                            20 + random() % 10,
                            40 + random() % 10);
        continue;
      default:
        break;
    }
    if (random() % 2 == 0) {
      text += fmt::format("deny 10.{}.{}.0/{}\n", random() % 4, random() % 256, 20 + random() % 13);
    } else {
      text += fmt::format("deny [2001:db8::{:x}:0/{}]\n", random() % 65536, 108 + random() % 21);
    }
  }
  return text + "deny [::ffff:0.0.0.0/96]\nallow 0.0.0.0/0\nallow [::/0]\n";
}

IpAddress random_address(std::mt19937& random)
{
  const std::string text
    = random() % 2 == 0 ? fmt::format("10.{}.{}.{}", random() % 4, random() % 256, random() % 256)
                        : fmt::format("2001:db8::{:x}:{:x}", random() % 65536, random() % 65536);
  return IpAddress::parse(text).value();
}

} // namespace

TEST_CASE("the rule that is found is the first that matches, wherever it stands")
{
  std::mt19937 random(7);
  const RuleSet rules(parse_rules(random_rules(random, 300)), TimePoint());
  std::size_t last = 0;
  for (int i = 0; i < 2000; ++i) {
    constexpr std::uint8_t PROTOCOLS[] = {PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_ICMP};
    const std::uint8_t protocol = PROTOCOLS[random() % std::size(PROTOCOLS)];
    const auto port = static_cast<std::uint16_t>(protocol == PROTOCOL_ICMP ? 0 : random() % 256);
    const FlowRequest flow{.direction = random() % 2 == 0 ? FlowDirection::in : FlowDirection::out,
                           .protocol = protocol,
                           .source = random_address(random),
                           .destination = {random_address(random), port}};
    CAPTURE(flow.destination.to_string());
    const auto expected = std::ranges::find_if(
      rules.rules(), [&](const auto& account) { return account->rule.matches(flow, {}); });
    REQUIRE(expected != rules.rules().end());
    CHECK(rules.find(flow, std::nullopt) == *expected);
    last += expected == rules.rules().end() - 1 || expected == rules.rules().end() - 2 ? 1 : 0;
  }
  CHECK(last > 100);
  CHECK(last < 1900);
}

TEST_CASE("the rules about a name are told with their lines")
{
  const RuleSet rules(parse_rules("allow any\ndeny web.example\n\nallow tcp://web.example:80\n"),
                      TimePoint());
  CHECK(
    rules.about({.name = "web.example", .server = {}})
    == std::vector<std::string>{"line 2: deny web.example", "line 4: allow tcp://web.example:80"});
  CHECK(rules.about({.name = "other.example", .server = {}}).empty());
  const RuleSet list(parse_rule_list(RuleAction::deny, "web.example"), TimePoint());
  CHECK(list.about({.name = "web.example", .server = {}})
        == std::vector<std::string>{"-deny web.example"});
}

TEST_CASE("a network of mapped addresses is not about IPv4")
{
  const RuleSet rules(parse_rules("deny [::ffff:0.0.0.0/96]\nallow 10.0.0.0/8\n"), TimePoint());
  const FlowRequest flow{.direction = FlowDirection::out,
                         .protocol = PROTOCOL_TCP,
                         .source = IpAddress::parse("10.0.2.100").value(),
                         .destination = {IpAddress::parse("10.1.2.3").value(), 80}};
  REQUIRE(rules.find(flow, std::nullopt));
  CHECK(rules.find(flow, std::nullopt)->rule.action == RuleAction::allow);
}

TEST_CASE("a name stands for its addresses of both families, and for no others")
{
  RuleSet rules(parse_rules("deny host.example\nallow any\n"), TimePoint{});
  const auto action = [&](const char* destination) {
    FlowRequest flow;
    flow.protocol = PROTOCOL_TCP;
    flow.source = IpAddress::parse("10.0.2.100").value();
    flow.destination = {IpAddress::parse(destination).value(), 80};
    return rules.find(flow, std::nullopt)->rule.action;
  };
  const HostName name{.name = "host.example", .server = {}};
  CHECK(action("192.0.2.1") == RuleAction::allow);
  const std::vector<IpAddress> addresses{IpAddress::parse("192.0.2.1").value(),
                                         IpAddress::parse("192.0.2.4").value(),
                                         IpAddress::parse("2001:db8::1").value()};
  rules.set_addresses(name, addresses);
  for (const char* denied : {"192.0.2.1", "192.0.2.4", "2001:db8::1"}) {
    CHECK(action(denied) == RuleAction::deny);
  }
  for (const char* allowed : {"192.0.2.0", "192.0.2.5", "203.0.113.1", "2001:db8::2"}) {
    CHECK(action(allowed) == RuleAction::allow);
  }
  rules.set_addresses(name, std::span(addresses).last(1));
  CHECK(action("192.0.2.1") == RuleAction::allow);
  CHECK(action("2001:db8::1") == RuleAction::deny);
  RuleSet later(parse_rules("deny host.example\nallow any\n"), TimePoint{});
  later.inherit(rules);
  std::swap(rules, later);
  CHECK(action("2001:db8::1") == RuleAction::deny);
  rules.set_addresses(name, {});
  CHECK(action("2001:db8::1") == RuleAction::allow);
}

} // namespace slirpstack
