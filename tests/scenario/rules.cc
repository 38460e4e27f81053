// Rules at work: what they refuse, what they limit, and what a reload does to live flows.

#include "scenario/packets.hh"
#include "scenario/tcp_guest.hh"

#include <doctest/doctest.h>
#include <optional>
#include <string>

namespace slirpstack {

namespace {

using namespace std::chrono_literals;

const Endpoint GUEST = endpoint("10.0.2.100", 40000);
const Endpoint SERVER = endpoint("192.0.2.1", 80);
const Endpoint OTHER = endpoint("192.0.2.2", 80);

RuleSet rules(std::string_view text, const World& world)
{
  return {parse_rules(text), world.now()};
}

/// How many flows other rules have ended.
std::size_t use(World& world, RuleSet rules)
{
  std::optional<std::size_t> ended;
  world.gateway.set_rules(std::move(rules), [&](std::size_t count) { ended = count; });
  world.settle();
  REQUIRE(ended);
  return *ended;
}

std::size_t use(World& world, std::string_view text)
{
  return use(world, rules(text, world));
}

/// `example.org`, type A, with an identifier.
std::vector<std::uint8_t> query(std::uint8_t id)
{
  return {0,   id,  1,   0,   0,   1, 0,   0,   0,   0, 0, 0, 7, 'e', 'x',
          'a', 'm', 'p', 'l', 'e', 3, 'o', 'r', 'g', 0, 0, 1, 0, 1};
}

} // namespace

TEST_CASE("deny says prohibited, reject resets, drop is silent")
{
  World world;
  use(world, "deny tcp://192.0.2.1\nreject 192.0.2.2\ndrop 192.0.2.3\n");
  TcpGuest denied(world, GUEST, SERVER);
  denied.sends(syn());
  world.expects_icmp(3, 13);
  TcpGuest rejected(world, GUEST, OTHER);
  rejected.sends(syn());
  rejected.expects(RST_ACK);
  world.guest_sends(udp_packet(GUEST, OTHER));
  world.expects_icmp(3, 3);
  TcpGuest dropped(world, GUEST, endpoint("192.0.2.3", 80));
  dropped.sends(syn());
  world.guest_sends(udp_packet(GUEST, endpoint("192.0.2.3", 80)));
  world.expects_nothing();
  CHECK(world.host.streams() == 0);
  CHECK(world.host.datagram_sockets() == 0);
}

TEST_CASE("the first rule that matches counts, and an allowing one goes before the defaults")
{
  World world;
  use(world, "allow tcp://203.0.113.5:22\ndeny any\n");
  TcpGuest allowed(world, GUEST, endpoint("203.0.113.5", 22)); // a network of the host
  allowed.connects();
  TcpGuest denied(world, GUEST, SERVER);
  denied.sends(syn());
  world.expects_icmp(3, 13);
}

TEST_CASE("an IPv6 destination that embeds a denied IPv4 address is denied")
{
  World world;
  use(world, "deny 192.0.2.0/24\nallow any\n");
  TcpGuest guest(world, endpoint("fd00::100", 40000), endpoint("64:ff9b::c000:201", 80));
  guest.sends(syn());
  world.expects_icmp(1, 1);
}

TEST_CASE("a reload ends what is no longer allowed, and nothing else")
{
  World world;
  TcpGuest one(world, GUEST, SERVER);
  one.connects();
  TcpGuest two(world, endpoint("10.0.2.100", 40001), OTHER);
  two.connects();
  CHECK(use(world, "deny 192.0.2.2\n") == 1);
  two.expects(RST_ACK);
  CHECK(two.host().was_reset());
  one.sends(data("still here"));
  CHECK(one.host().sent() == "still here");
  CHECK(world.gateway.flows().size() == 1);
}

TEST_CASE("a thousand live flows survive a reload that allows them")
{
  World world;
  for (std::uint16_t i = 0; i < 1000; ++i) {
    TcpGuest guest(world, endpoint("10.0.2.100", 10000 + i), SERVER);
    guest.connects();
  }
  CHECK(use(world, "allow tcp://192.0.2.0/24:80\ndeny any\n") == 0);
  world.settle();
  CHECK(world.gateway.flows().size() == 1000);
  CHECK(world.gateway.policy().rules().rules()[0]->flows == 1000);
}

TEST_CASE("a reload of many rules under many flows takes a part of each turn")
{
  World world;
  constexpr std::uint16_t FLOWS = 1000;
  for (std::uint16_t i = 0; i < FLOWS; ++i) {
    TcpGuest guest(world, endpoint("10.0.2.100", 10000 + i), i % 2 == 0 ? SERVER : OTHER);
    guest.connects();
  }
  std::string text;
  for (int i = 0; i < 10'000; ++i) {
    text += "deny 10." + std::to_string(i / 200) + "." + std::to_string(i % 200) + ".0/24\n";
  }
  std::optional<std::size_t> ended;
  world.gateway.set_rules(rules(text + "deny 192.0.2.2\n", world),
                          [&](std::size_t count) { ended = count; });
  CHECK(world.gateway.flush());
  CHECK_FALSE(ended);
  CHECK(world.gateway.flows().size() > FLOWS / 2); // it goes on
  // What comes meanwhile is judged by the new rules.
  TcpGuest denied(world, endpoint("10.0.2.100", 9000), OTHER);
  denied.sends_on(syn());
  TcpGuest allowed(world, endpoint("10.0.2.100", 9001), SERVER);
  allowed.sends_on(syn());
  CHECK(world.gateway.flows().size() > FLOWS / 2);
  world.settle();
  CHECK(ended == FLOWS / 2);
  CHECK(world.gateway.flows().size() == FLOWS / 2 + 1);
}

TEST_CASE("a reload during the review of another one is told of by both")
{
  World world;
  for (std::uint16_t i = 0; i < 100; ++i) {
    TcpGuest guest(world, endpoint("10.0.2.100", 10000 + i), i % 2 == 0 ? SERVER : OTHER);
    guest.connects();
  }
  std::vector<std::size_t> ended;
  const auto note = [&](std::size_t count) { ended.push_back(count); };
  world.gateway.set_rules(rules("deny 192.0.2.1\n", world), note);
  world.gateway.set_rules(rules("deny 192.0.2.2\n", world), note);
  CHECK(ended.empty());
  world.settle();
  CHECK(ended == std::vector<std::size_t>{50, 50});
  world.gateway.close_all();
  world.gateway.set_rules(rules("deny 192.0.2.3\n", world), note);
  CHECK(ended.size() == 3); // at once: there is no flow
}

TEST_CASE("a rule's flows are counted, and its count lasts over a reload")
{
  World world;
  use(world, "allow 192.0.2.1 flows 1\n");
  TcpGuest one(world, GUEST, SERVER);
  one.connects();
  TcpGuest two(world, endpoint("10.0.2.100", 40001), SERVER);
  two.sends(syn());
  two.expects(RST_ACK);
  use(world, "# the same\nallow 192.0.2.1 flows 1\n");
  two.sends(syn());
  two.expects(RST_ACK);
  one.sends(rst());
  two.connects();
  CHECK(world.gateway.policy().rules().rules()[0]->limited == 2);
}

TEST_CASE("new flows a second")
{
  World world;
  use(world, "allow any new 2\n");
  int opened = 0;
  for (std::uint16_t i = 0; i < 10; ++i) {
    TcpGuest guest(world, endpoint("10.0.2.100", 10000 + i), SERVER);
    guest.sends(syn());
  }
  opened = static_cast<int>(world.host.streams());
  CHECK(opened == 2);
  world.loses_all();
  world.advance(1s);
  TcpGuest guest(world, GUEST, SERVER);
  guest.sends(syn());
  CHECK(world.host.streams() == 3);
}

TEST_CASE("bytes a second: a stream is slowed down, not cut")
{
  World world;
  use(world, "allow any rate 100K\n");
  TcpGuest guest(world, GUEST, SERVER);
  guest.connects();
  const std::string text = pattern(300000);
  guest.host().has(text);
  std::string got;
  int seconds = 0;
  while (got.size() < text.size() && seconds < 10) {
    for (int step = 0; step < 100; ++step) {
      world.advance(10ms);
      got += guest.hears_all();
      guest.sends(ack());
    }
    ++seconds;
  }
  CHECK(got == text);
  CHECK(seconds >= 2); // 64 KiB at once, then 100 KiB a second
  CHECK(seconds <= 4);
}

TEST_CASE("bytes a second hold for what the guest sends, too")
{
  World world;
  use(world, "allow any rate 100K\n");
  TcpGuest guest(world, GUEST, SERVER);
  guest.connects();
  const std::string text = pattern(200000);
  for (std::size_t at = 0; at < text.size(); at += 50000) {
    guest.sends(data(text.substr(at, 50000)));
  }
  CHECK(guest.host().sent().size() < 100000);
  world.advance(3s);
  CHECK(guest.host().sent() == text);
}

TEST_CASE("DNS queries a second are limited by a refusal")
{
  World world;
  use(world, "allow udp://10.0.2.3:53 queries 3\ndeny 10.0.2.3\n");
  const Endpoint dns = endpoint("10.0.2.3", 53);
  for (std::uint8_t id = 0; id < 5; ++id) {
    world.guest_sends(udp_packet({GUEST.address, std::uint16_t(5000 + id)}, dns, query(id)));
  }
  world.settle();
  REQUIRE(world.inbox().size() == 2);
  const ByteView answer = world.inbox().front().udp_data();
  CHECK((answer[3] & 0x0fU) == 5); // REFUSED
  CHECK(world.host.datagram_sockets() == 3);
  TcpGuest guest(world, GUEST, dns);
  world.loses_all();
  guest.sends(syn());
  world.expects_icmp(3, 13); // only UDP is allowed there
}

TEST_CASE("DNS queries a second are limited over TCP too")
{
  World world;
  use(world, "allow tcp://10.0.2.3:53 queries 3\ndeny 10.0.2.3\n");
  TcpGuest guest(world, GUEST, endpoint("10.0.2.3", 53));
  guest.connects();
  std::string queries;
  for (std::uint8_t id = 0; id < 10; ++id) {
    const std::vector<std::uint8_t> next = query(id);
    queries += {'\0', static_cast<char>(next.size())};
    queries.append(next.begin(), next.end());
  }
  const std::size_t each = queries.size() / 10;
  guest.sends(data(queries));
  world.settle();
  CHECK(guest.host().sent().size() == 3 * each);
  world.advance(1s);
  world.settle();
  CHECK(guest.host().sent().size() >= 5 * each);
  CHECK(guest.host().sent().size() <= 7 * each);
}

TEST_CASE("a name in the rules opens neither the host nor a metadata service")
{
  World world;
  use(world, "allow partner.example\n");
  const std::vector<IpAddress> addresses{SERVER.address, *IpAddress::parse("169.254.169.254")};
  world.gateway.policy().set_addresses(HostName{.name = "partner.example", .server = {}},
                                       addresses);
  TcpGuest allowed(world, GUEST, SERVER);
  allowed.connects();
  TcpGuest denied(world, GUEST, endpoint("169.254.169.254", 80));
  denied.sends(syn());
  world.expects_icmp(3, 13);
}

TEST_CASE("a name of -allow opens neither, but for who trusts its answers")
{
  for (const bool trusts : {false, true}) {
    CAPTURE(trusts);
    Gateway::Settings settings = World::settings();
    settings.policy.trusts_listed_names = trusts;
    World world(settings);
    world.gateway.policy().set_lists(
      {}, {parse_rule_list(RuleAction::allow, "partner.example"), world.now()});
    const std::vector<IpAddress> addresses{*IpAddress::parse("169.254.169.254")};
    world.gateway.policy().set_addresses(HostName{.name = "partner.example", .server = {}},
                                         addresses);
    TcpGuest guest(world, GUEST, endpoint("169.254.169.254", 80));
    guest.sends(syn());
    CHECK(world.host.streams() == (trusts ? 1 : 0));
    if (!trusts) {
      world.expects_icmp(3, 13);
    }
  }
}

TEST_CASE("flows to one destination are limited")
{
  Gateway::Settings settings = World::settings();
  settings.admission.max_flows_per_destination = 2;
  World world(settings);
  for (std::uint16_t i = 0; i < 3; ++i) {
    TcpGuest guest(world, endpoint("10.0.2.100", 10000 + i), SERVER);
    guest.sends(syn());
  }
  CHECK(world.host.streams() == 2);
  TcpGuest other(world, GUEST, OTHER);
  other.sends(syn());
  CHECK(world.host.streams() == 3);
  world.host.stream(0).fails(host_error(ECONNREFUSED));
  world.settle();
  TcpGuest again(world, endpoint("10.0.2.100", 10009), SERVER);
  again.sends(syn());
  CHECK(world.host.streams() == 4);
}

TEST_CASE("a name in a rule matches the addresses that it was given")
{
  World world;
  RuleSet named = rules("allow tcp://web.example:80\ndeny any\n", world);
  named.set_addresses({.name = "web.example", .server = {}}, std::vector{SERVER.address});
  use(world, std::move(named));
  TcpGuest allowed(world, GUEST, SERVER);
  allowed.connects();
  TcpGuest denied(world, GUEST, OTHER);
  denied.sends(syn());
  world.expects_icmp(3, 13);
}

} // namespace slirpstack
