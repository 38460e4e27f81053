#include "base/error.hh"
#include "flow/rule.hh"
#include "malformed.hh"

#include <array>
#include <doctest/doctest.h>

using namespace slirpstack;

namespace {

Rule only_rule(std::string_view text)
{
  const std::vector<Rule> rules = parse_rule_list(RuleAction::deny, text);
  REQUIRE(rules.size() == 1);
  return rules.front();
}

std::string error_of(std::string_view text)
{
  try {
    static_cast<void>(parse_rule_list(RuleAction::allow, text));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

} // namespace

TEST_CASE("an entry is a rule about TCP that the guest opens")
{
  const Rule rule = only_rule("10.0.0.0/8:80");
  CHECK(rule.action == RuleAction::deny);
  CHECK(rule.direction == FlowDirection::out);
  CHECK(rule.protocol == Rule::Protocol::tcp);
  CHECK((rule.host == Rule::Host(Prefix::parse("10.0.0.0/8").value())));
  CHECK(rule.ports == std::vector{PortRange{80, 80}});
  CHECK(rule.line == 0);
  CHECK(rule.text == "-deny 10.0.0.0/8:80");
  CHECK(only_rule("tcp://10.0.0.0/8:80").text == "-deny tcp://10.0.0.0/8:80");
}

TEST_CASE("each form of an entry is read")
{
  using Protocol = Rule::Protocol;
  struct Case
  {
    std::string_view text;
    Protocol protocol;
    Rule::Host host;
    std::vector<PortRange> ports;
  };
  const auto network = [](std::string_view text) { return Prefix::parse(text).value(); };
  for (const Case& each : {
         Case{"192.0.2.1", Protocol::tcp, network("192.0.2.1/32"), {}},
         {"udp://192.0.2.7/24:53", Protocol::udp, network("192.0.2.0/24"), {{53, 53}}},
         {"[3ffe::/16]:443", Protocol::tcp, network("3ffe::/16"), {{443, 443}}},
         {"[::1]", Protocol::tcp, network("::1/128"), {}},
         {"any://0.0.0.0/0:0", Protocol::any, network("0.0.0.0/0"), {}},
         {"tcp://0.0.0.0/0:0-0", Protocol::tcp, network("0.0.0.0/0"), {}},
         {"0.0.0.0/0:0-80", Protocol::tcp, network("0.0.0.0/0"), {{0, 80}}},
         {"icmp://any", Protocol::icmp, {}, {}},
         {"udp://example.org:1-65535",
          Protocol::udp,
          HostName{.name = "example.org", .server = {}},
          {{1, 65535}}},
       }) {
    CAPTURE(std::string(each.text));
    const Rule rule = only_rule(each.text);
    CHECK(rule.protocol == each.protocol);
    CHECK((rule.host == each.host));
    CHECK(rule.ports == each.ports);
  }
}

TEST_CASE("entries are separated by commas and keep their order")
{
  const std::vector<Rule> rules
    = parse_rule_list(RuleAction::allow, "192.0.2.1:80,udp://[::1]:53,example.org");
  REQUIRE(rules.size() == 3);
  CHECK(rules[0].text == "-allow 192.0.2.1:80");
  CHECK(rules[1].text == "-allow udp://[::1]:53");
  CHECK(rules[2].text == "-allow example.org");
}

TEST_CASE("mistakes are told with what would be right, ports before hosts")
{
  struct Case
  {
    std::string_view text;
    std::string_view error;
  };
  static constexpr std::string_view NO_DESTINATION
    = R"("": must be HOST or HOST:PORTS; IPv6 goes in brackets, as in [2001:db8::/32])";
  for (
    const Case& each : {
      Case{"", NO_DESTINATION},
      {"192.0.2.1,", NO_DESTINATION},
      {":80", R"(":80": must be HOST or HOST:PORTS; IPv6 goes in brackets, as in [2001:db8::/32])"},
      {"2001:db8::/32",
       R"("2001:db8::/32": must be HOST or HOST:PORTS; IPv6 goes in brackets, as in [2001:db8::/32])"},
      {"a:1:2",
       R"("a:1:2": must be HOST or HOST:PORTS; IPv6 goes in brackets, as in [2001:db8::/32])"},
      {"[::1",
       R"("[::1": must be HOST or HOST:PORTS; IPv6 goes in brackets, as in [2001:db8::/32])"},
      {"192.0.2.1:90-80", R"(ports "90-80": the first is greater than the last)"},
      {"192.0.2.1:", R"("" is no port (1-65535))"},
      {"192.0.2.1:x", R"("x" is no port (1-65535))"},
      {"192.0.2.1:80-", R"("80-" is no range of ports such as 8000-8010)"},
      {"192.0.2.1:-80", R"("-80" is no range of ports such as 8000-8010)"},
      {"192.0.2.1:1-70000", R"("1-70000" is no range of ports such as 8000-8010)"},
      {"a b:x", R"("x" is no port (1-65535))"},
      {"sctp://192.0.2.1", R"(unknown protocol "sctp": must be tcp, udp, icmp or any)"},
      {"tcp", R"("tcp" is a protocol and no host: write tcp://any)"},
      {"udp:53", R"("udp" is a protocol and no host: write udp://any:53)"},
      {"a b:80", R"(host "a b": is neither an address nor a name)"},
      {"10.0.0.0/33", R"("10.0.0.0/33": the prefix length must be a number from 0 to 32)"},
      {"icmp://192.0.2.1:80", R"("icmp://192.0.2.1:80": ICMP has no ports)"},
    }) {
    CAPTURE(std::string(each.text));
    CHECK(error_of(each.text) == each.error);
  }
}

TEST_CASE("of malformed lists each is either read or told in one line")
{
  static constexpr std::array<std::string_view, 6> SAMPLES{
    "10.0.0.0/8:80",
    "udp://[3ffe::/16]:443-500,192.0.2.1",
    "example.org:1-65535,any://any",
    "icmp://0.0.0.0/0",
    "tcp://[::ffff:192.0.2.1]:0-0",
    "0.0.0.0/0,[::]/0",
  };
  malformed::Generator generator(SAMPLES);
  int read = 0;
  for (int round = 0; round < 100'000; ++round) {
    const std::string text = generator.next();
    CAPTURE(text);
    try {
      for (const Rule& rule : parse_rule_list(RuleAction::deny, text)) {
        REQUIRE(only_rule(std::string_view(rule.text).substr(6)) == rule);
        ++read;
      }
    } catch (const UsageError& error) {
      REQUIRE(malformed::is_one_line(error.what()));
    }
  }
  CHECK(read > 1000);
}
