#include "flow/rule.hh"
#include "malformed.hh"
#include "wire/ip.hh"

#include <algorithm>
#include <array>
#include <doctest/doctest.h>
#include <fstream>
#include <iterator>

using namespace slirpstack;

namespace {

Rule rule(std::string_view text)
{
  const std::vector<Rule> rules = parse_rules(text);
  REQUIRE(rules.size() == 1);
  return rules.front();
}

Rule::Host network(std::string_view text)
{
  return Prefix::parse(text).value();
}

} // namespace

TEST_CASE("a rule has an action and a destination")
{
  const Rule read = rule("deny 10.0.0.0/8");
  CHECK(read.action == RuleAction::deny);
  CHECK_FALSE(read.direction);
  CHECK(read.protocol == Rule::Protocol::any);
  CHECK(read.host == network("10.0.0.0/8"));
  CHECK(read.ports.empty());
  CHECK_FALSE(read.source);
  CHECK(read.limits == RuleLimits());
  CHECK(read.note.empty());
  CHECK(read.line == 1);
  CHECK(read.text == "deny 10.0.0.0/8");
}

TEST_CASE("a rule may have everything")
{
  const Rule read
    = rule("\tallow  out tcp://[2001:db8::/32]:80,8000-8010 from 10.0.2.0/24 rate 10M/s new 100/s "
           "queries 5 flows 20 note \"b\u00fccher # 1\"  # a comment");
  CHECK(read.action == RuleAction::allow);
  CHECK(read.direction == FlowDirection::out);
  CHECK(read.protocol == Rule::Protocol::tcp);
  CHECK(read.host == network("2001:db8::/32"));
  CHECK(read.ports == std::vector{PortRange{80, 80}, PortRange{8000, 8010}});
  CHECK(read.source == Prefix::parse("10.0.2.0/24"));
  CHECK(read.limits.bytes_per_second == 10U << 20U);
  CHECK(read.limits.new_flows_per_second == 100);
  CHECK(read.limits.queries_per_second == 5);
  CHECK(read.limits.max_flows == 20);
  CHECK(read.note == "b\u00fccher # 1");
  CHECK(read.text
        == "allow  out tcp://[2001:db8::/32]:80,8000-8010 from 10.0.2.0/24 rate 10M/s new 100/s "
           "queries 5 flows 20 note \"b\u00fccher # 1\"");
}

TEST_CASE("options may come in any order")
{
  const Rule read = rule("allow in any note \"\" flows 1 from [fd00::1]");
  CHECK(read.direction == FlowDirection::in);
  CHECK(read.limits.max_flows == 1);
  CHECK(read.source == Prefix::parse("fd00::1/128"));
}

TEST_CASE("each form of a destination is read")
{
  struct Case
  {
    std::string_view text;
    Rule::Host host;
    std::vector<PortRange> ports;
  };
  const HostName name{.name = "web.example", .server = {}};
  for (const Case& each : {
         Case{"any", {}, {}},
         {"any:53", {}, {{53, 53}}},
         {"192.0.2.1", network("192.0.2.1/32"), {}},
         {"192.0.2.1:80", network("192.0.2.1/32"), {{80, 80}}},
         {"10.1.2.3/8", network("10.0.0.0/8"), {}},
         {"0.0.0.0/0:0-65535", network("0.0.0.0/0"), {{0, 65535}}},
         {"[::1]", network("::1/128"), {}},
         {"[2001:db8::5/32]:443", network("2001:db8::/32"), {{443, 443}}},
         {"[192.0.2.0/24]:1-2,3", network("192.0.2.0/24"), {{1, 2}, {3, 3}}},
         {"web.example", name, {}},
         {"web.example:443", name, {{443, 443}}},
       }) {
    CAPTURE(std::string(each.text));
    const Rule read = rule("deny " + std::string(each.text));
    CHECK((read.host == each.host));
    CHECK(read.ports == each.ports);
  }
}

TEST_CASE("sizes and rates have letters of their own")
{
  const auto rate = [](std::string_view text) {
    return rule("allow any rate " + std::string(text)).limits.bytes_per_second;
  };
  CHECK(rate("1") == 1);
  CHECK(rate("1000/s") == 1000);
  CHECK(rate("2K") == 2048);
  CHECK(rate("3M/s") == 3U << 20U);
  CHECK(rate("1G") == 1U << 30U);
  CHECK(rate("1048576G/s") == std::uint64_t{1} << 50U);
  CHECK(rate("1125899906842624") == std::uint64_t{1} << 50U);
}

TEST_CASE("empty lines, comments and the ends of Windows are passed over")
{
  const std::vector<Rule> rules
    = parse_rules("# first\r\n\r\n  \t # second\ndeny any\r\n\nallow any # third");
  REQUIRE(rules.size() == 2);
  CHECK(rules[0].line == 4);
  CHECK(rules[0].text == "deny any");
  CHECK(rules[1].line == 6);
  CHECK(rules[1].text == "allow any");
  CHECK(parse_rules("").empty());
  CHECK(parse_rules("\n\n").empty());
  CHECK(rule("deny any#comment").text == "deny any");
}

TEST_CASE("a file may have 65536 rules, each of 4096 characters, and no more")
{
  std::string text;
  for (int i = 0; i < 65536; ++i) {
    text += "deny any\n";
  }
  CHECK(parse_rules(text).size() == 65536);
  CHECK_THROWS_WITH_AS(static_cast<void>(parse_rules(text + "\n drop any\n")),
                       "line 65538, column 2: more than 65536 rules",
                       RuleError);
  const std::string longest = "deny any #" + std::string(4086, 'x');
  CHECK(parse_rules(longest + "\r\n").size() == 1);
  CHECK_THROWS_WITH_AS(static_cast<void>(parse_rules(longest + "x")),
                       "line 1, column 4097: the line is longer than 4096 characters",
                       RuleError);
}

TEST_CASE("a rule is read again from its own text")
{
  for (const char* text : {
         "deny any",
         "allow in tcp://[2001:db8::/32]:80,90-95 from fd00::/64 rate 1K/s note \"a # b\"",
         "reject web.example:1-65535",
       }) {
    CAPTURE(text);
    const Rule once = rule(text);
    CHECK(rule(once.text) == once);
  }
}

TEST_CASE("of malformed rules each is either read or told in one line")
{
  static constexpr std::array<std::string_view, 8> SAMPLES{
    "deny any",
    "allow out tcp://[2001:db8::/32]:80,8000-8010 from 10.0.2.0/24 rate 10M/s new 100/s",
    "allow udp://10.0.2.3:53 queries 20/s flows 64 note \"the DNS forwarder\"",
    "drop in 192.0.2.0/24:22 from any # nobody",
    "reject web.example:443 note \"b\u00fccher\"",
    "deny icmp://any\nallow any\n",
    "deny [::ffff:0:0/96]\r\n\r\n# mapped",
    "\tallow  any:1-65535 rate 1048576G flows 100000000",
  };
  malformed::Generator generator(SAMPLES);
  int read = 0;
  for (int round = 0; round < 100'000; ++round) {
    const std::string text = generator.next();
    CAPTURE(text);
    try {
      for (Rule& each : parse_rules(text)) {
        std::vector<Rule> again = parse_rules(each.text);
        REQUIRE(again.size() == 1);
        again.front().line = each.line;
        REQUIRE(again.front() == each);
        ++read;
      }
    } catch (const RuleError& error) {
      REQUIRE(malformed::is_one_line(error.what()));
      REQUIRE(error.line() >= 1);
      REQUIRE(error.column() >= 1);
    }
  }
  CHECK(read > 1000);
}

TEST_CASE("the example of an untrusted guest's rules keeps it off everything near")
{
  const std::vector<Rule> rules = [] {
    std::ifstream file(SLIRPSTACK_UNTRUSTED_RULES, std::ios::binary);
    REQUIRE(file);
    return parse_rules(std::string(std::istreambuf_iterator<char>(file), {}));
  }();
  const auto action = [&rules](std::uint8_t protocol, std::string_view to, std::uint16_t port) {
    const FlowRequest flow{.direction = FlowDirection::out,
                           .protocol = protocol,
                           .source = IpAddress::parse("10.0.2.100").value(),
                           .destination = {IpAddress::parse(to).value(), port}};
    const auto found
      = std::ranges::find_if(rules, [&flow](const Rule& each) { return each.matches(flow, {}); });
    return found == rules.end() ? "none" : std::string(action_name(found->action));
  };
  for (const char* near : {"10.0.2.2",
                           "10.1.2.3",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.168.1.1",
                           "100.64.0.1",
                           "127.0.0.1",
                           "169.254.1.1",
                           "169.254.169.254",
                           "100.100.100.200",
                           "168.63.129.16",
                           "192.0.0.192",
                           "::1",
                           "fe80::1",
                           "fc00::1",
                           "fd00::2",
                           "fd00:ec2::254",
                           "fd20:ce::254"}) {
    CAPTURE(near);
    CHECK(action(PROTOCOL_TCP, near, 80) == "deny");
    CHECK(action(PROTOCOL_UDP, near, 53) == "deny");
  }
  for (const char* far : {"192.0.2.1", "8.8.8.8", "172.32.0.1", "2001:db8::1"}) {
    CAPTURE(far);
    // What no rule is about is left to the defaults, which guard the host's networks.
    CHECK(action(PROTOCOL_TCP, far, 443) == "none");
  }
  CHECK(action(PROTOCOL_UDP, "8.8.8.8", 53) == "deny");
  CHECK(action(PROTOCOL_TCP, "2001:db8::1", 853) == "deny");
  for (const char* dns : {"10.0.2.3", "fd00::3"}) {
    CAPTURE(dns);
    CHECK(action(PROTOCOL_UDP, dns, 53) == "allow");
    CHECK(action(PROTOCOL_TCP, dns, 53) == "allow");
    CHECK(action(PROTOCOL_TCP, dns, 80) == "deny");
  }
  CHECK(std::ranges::all_of(rules, [](const Rule& each) {
    return each.action == RuleAction::deny || each.limits.queries_per_second;
  }));
}
