#include "accel/route_news.hh"

#include <array>
#include <doctest/doctest.h>
#include <linux/neighbour.h>
#include <net/if_arp.h>

using namespace slirpstack;

namespace {

const MacAddress MAC{{2, 0, 0, 0, 0, 9}};

IpAddress ip(const char* text)
{
  return IpAddress::parse(text).value();
}

RouteRequest route(const char* destination, unsigned type = RTN_UNICAST)
{
  const Prefix prefix = Prefix::parse(destination).value();
  RouteRequest message(RTM_NEWROUTE, 0);
  auto& body = message.body<rtmsg>();
  body.rtm_family = AF_INET;
  body.rtm_table = RT_TABLE_MAIN;
  body.rtm_type = static_cast<std::uint8_t>(type);
  body.rtm_dst_len = static_cast<std::uint8_t>(prefix.length_bits());
  if (prefix.length_bits() != 0) {
    message.put(RTA_DST, prefix.address().bytes());
  }
  return message;
}

RouteRequest neighbour(unsigned type, unsigned state)
{
  RouteRequest message(type, 0);
  auto& body = message.body<ndmsg>();
  body.ndm_family = AF_INET;
  body.ndm_ifindex = 7;
  body.ndm_state = static_cast<std::uint16_t>(state);
  message.put(NDA_DST, ip("192.0.2.1").bytes());
  message.put(NDA_LLADDR, ByteView(MAC.bytes));
  return message;
}

} // namespace

TEST_CASE("a route is read with its gateway, metric and MTU")
{
  RouteRequest message = route("198.51.100.0/24");
  message.put(RTA_OIF, 7U);
  message.put(RTA_GATEWAY, ip("192.0.2.1").bytes());
  message.put(RTA_PRIORITY, 100U);
  nlattr* const metrics = mnl_attr_nest_start(&message.header(), RTA_METRICS);
  message.put(RTAX_MTU, 1300U);
  mnl_attr_nest_end(&message.header(), metrics);
  const auto read = parse_host_route(message.header());
  REQUIRE(read);
  CHECK(*read
        == HostRoute{.destination = Prefix::parse("198.51.100.0/24").value(),
                     .is_unicast = true,
                     .interface = 7,
                     .gateway = ip("192.0.2.1"),
                     .metric = 100,
                     .mtu_bytes = 1300});
}

TEST_CASE("a default route has no destination; a local one is no unicast route")
{
  const auto everything = parse_host_route(route("0.0.0.0/0").header());
  REQUIRE(everything);
  CHECK(everything->destination == Prefix(IpAddress::any(Family::ipv4), 0));
  CHECK(everything->is_unicast);
  const auto own = parse_host_route(route("192.0.2.5/32", RTN_LOCAL).header());
  REQUIRE(own);
  CHECK_FALSE(own->is_unicast);
}

TEST_CASE("of several next hops the first counts")
{
  RouteRequest message = route("0.0.0.0/0");
  nlattr* const several = mnl_attr_nest_start(&message.header(), RTA_MULTIPATH);
  for (const auto& [index, gateway] : {std::pair{7, "192.0.2.1"}, std::pair{8, "192.0.2.2"}}) {
    auto& hop = message.body<rtnexthop>();
    hop.rtnh_ifindex = index;
    hop.rtnh_len = sizeof(rtnexthop) + NLA_HDRLEN + 4;
    message.put(RTA_GATEWAY, ip(gateway).bytes());
  }
  mnl_attr_nest_end(&message.header(), several);
  const auto read = parse_host_route(message.header());
  REQUIRE(read);
  CHECK(read->interface == 7);
  CHECK(read->gateway == ip("192.0.2.1"));
}

TEST_CASE("other tables, families and messages say nothing about the way to the world")
{
  RouteRequest other_table = route("198.51.100.0/24");
  other_table.put(RTA_TABLE, 100U);
  CHECK_FALSE(parse_host_route(other_table.header()));
  RouteRequest ipv6(RTM_NEWROUTE, 0);
  ipv6.body<rtmsg>().rtm_family = AF_INET6;
  CHECK_FALSE(parse_host_route(ipv6.header()));
  CHECK_FALSE(parse_host_route(neighbour(RTM_NEWNEIGH, NUD_REACHABLE).header()));
}

TEST_CASE("a neighbour is known while the kernel would send to it")
{
  for (const unsigned state :
       {NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE, NUD_PERMANENT, NUD_NOARP}) {
    const auto news = parse_neighbour(neighbour(RTM_NEWNEIGH, state).header(), 7);
    REQUIRE(news);
    CHECK(news->address == ip("192.0.2.1"));
    CHECK(news->mac == MAC);
  }
  for (const unsigned state : {NUD_NONE, NUD_INCOMPLETE, NUD_FAILED}) {
    const auto news = parse_neighbour(neighbour(RTM_NEWNEIGH, state).header(), 7);
    REQUIRE(news);
    CHECK_FALSE(news->mac);
  }
  const auto gone = parse_neighbour(neighbour(RTM_DELNEIGH, NUD_REACHABLE).header(), 7);
  REQUIRE(gone);
  CHECK_FALSE(gone->mac);
  CHECK_FALSE(parse_neighbour(neighbour(RTM_NEWNEIGH, NUD_REACHABLE).header(), 8));
}

TEST_CASE("only an Ethernet interface leads to the world")
{
  RouteRequest message(RTM_NEWLINK, 0);
  auto& body = message.body<ifinfomsg>();
  body.ifi_index = 7;
  body.ifi_type = ARPHRD_ETHER;
  message.put(IFLA_MTU, 9000U);
  message.put(IFLA_ADDRESS, ByteView(MAC.bytes));
  CHECK(parse_external_link(message.header()) == ExternalLink{7, 9000, MAC});
  static_cast<ifinfomsg*>(mnl_nlmsg_get_payload(&message.header()))->ifi_type = ARPHRD_PPP;
  CHECK_FALSE(parse_external_link(message.header()));
}
