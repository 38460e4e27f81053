#include "accel/way_table.hh"

#include <algorithm>
#include <doctest/doctest.h>

using namespace slirpstack;

namespace {

constexpr unsigned EXTERNAL = 7;
constexpr unsigned OTHER = 8;
const MacAddress OURS{{2, 0, 0, 0, 0, 1}};
const MacAddress ROUTER{{2, 0, 0, 0, 0, 2}};

IpAddress ip(const char* text)
{
  return IpAddress::parse(text).value();
}

Prefix net(const char* text)
{
  return Prefix::parse(text).value();
}

HostRoute by_gateway(const char* destination, const char* gateway, unsigned interface = EXTERNAL)
{
  return {.destination = net(destination), .interface = interface, .gateway = ip(gateway)};
}

HostRoute attached(const char* destination, unsigned interface = EXTERNAL)
{
  return {.destination = net(destination), .interface = interface, .gateway = {}};
}

WayTable table(const std::vector<HostRoute>& routes, bool allows_attached = false)
{
  WayTable made({.allows_attached = allows_attached, .closed = {net("169.254.0.0/16")}});
  made.set_link({EXTERNAL, 1400, OURS});
  made.set_routes(routes);
  return made;
}

} // namespace

TEST_CASE("a route by a gateway waits for its Ethernet address, and then has it")
{
  WayTable ways = table({by_gateway("0.0.0.0/0", "192.0.2.1"), attached("192.0.2.0/24")});
  CHECK(ways.ways().at(net("0.0.0.0/0")).flags == NAT_ROUTE_UNRESOLVED);
  CHECK(ways.next_hop(ip("203.0.113.9")) == ip("192.0.2.1"));
  CHECK(ways.gateways() == std::set<IpAddress>{ip("192.0.2.1")});
  ways.set_neighbour(ip("192.0.2.1"), ROUTER);
  const nat_route way = ways.ways().at(net("0.0.0.0/0"));
  CHECK(way.flags == 0);
  CHECK(way.ifindex == EXTERNAL);
  CHECK(way.mtu == 1400);
  CHECK(std::ranges::equal(way.destination_mac, ROUTER.bytes));
  CHECK(std::ranges::equal(way.source_mac, OURS.bytes));
  ways.set_neighbour(ip("192.0.2.1"), std::nullopt);
  CHECK(ways.ways().at(net("0.0.0.0/0")).flags == NAT_ROUTE_UNRESOLVED);
}

TEST_CASE("a neighbour has a way of its own; the network around it has none yet")
{
  WayTable ways = table({attached("192.0.2.0/24")}, true);
  ways.set_neighbour(ip("192.0.2.9"), ROUTER);
  CHECK(ways.ways().at(net("192.0.2.9/32")).flags == 0);
  CHECK(ways.ways().at(net("192.0.2.0/24")).flags == NAT_ROUTE_UNRESOLVED);
  CHECK(ways.next_hop(ip("192.0.2.77")) == ip("192.0.2.77"));
}

TEST_CASE("a route's own MTU counts, where it is the smaller one")
{
  HostRoute narrow = by_gateway("198.51.100.0/24", "192.0.2.1");
  narrow.mtu_bytes = 1300;
  HostRoute wide = by_gateway("203.0.113.0/24", "192.0.2.1");
  wide.mtu_bytes = 9000;
  const auto ways = table({narrow, wide}).ways();
  CHECK(ways.at(net("198.51.100.0/24")).mtu == 1300);
  CHECK(ways.at(net("203.0.113.0/24")).mtu == 1400);
}

TEST_CASE("of several routes to one destination the least metric counts, whatever their order")
{
  HostRoute near = by_gateway("198.51.100.0/24", "192.0.2.1");
  HostRoute far = by_gateway("198.51.100.0/24", "192.0.2.2");
  far.metric = 100;
  CHECK(table({near, far}).next_hop(ip("198.51.100.1")) == ip("192.0.2.1"));
  CHECK(table({far, near}).next_hop(ip("198.51.100.1")) == ip("192.0.2.1"));
}

TEST_CASE("what is not by the external interface is exempt, but for its default route")
{
  HostRoute own = attached("192.0.2.5/32");
  own.is_unicast = false;
  const WayTable ways = table({by_gateway("0.0.0.0/0", "10.9.9.9", OTHER),
                               by_gateway("172.16.0.0/12", "10.9.9.9", OTHER),
                               attached("192.0.2.0/24"),
                               own,
                               by_gateway("198.51.100.0/24", "192.0.2.1")});
  CHECK(ways.exempt()
        == std::set<Prefix>{
          net("169.254.0.0/16"), net("172.16.0.0/12"), net("192.0.2.0/24"), net("192.0.2.5/32")});
  CHECK(ways.ways().size() == 2);
  CHECK_FALSE(ways.next_hop(ip("172.16.0.1")));
  CHECK_FALSE(ways.next_hop(ip("203.0.113.1")));
}

TEST_CASE("a network is routed where a route, but a default one, leads to some of it")
{
  HostRoute own = attached("10.0.0.1/32", OTHER);
  own.is_unicast = false;
  CHECK(table({attached("10.0.0.0/8", OTHER)}).is_routed(net("10.1.0.0/16"), OTHER));
  CHECK(table({by_gateway("10.1.2.0/24", "10.1.0.1", OTHER)}).is_routed(net("10.1.0.0/16"), OTHER));
  CHECK(table({attached("10.1.0.0/16", OTHER)}).is_routed(net("10.1.0.0/16"), OTHER));
  CHECK_FALSE(table({attached("10.1.0.0/16", OTHER)}).is_routed(net("10.1.0.0/16"), EXTERNAL));
  CHECK_FALSE(table({attached("10.2.0.0/16", OTHER)}).is_routed(net("10.1.0.0/16"), OTHER));
  CHECK_FALSE(table({own}).is_routed(net("10.0.0.0/8"), OTHER));
  CHECK_FALSE(
    table({by_gateway("0.0.0.0/0", "192.0.2.1")}).is_routed(net("10.1.0.0/16"), EXTERNAL));
  CHECK_FALSE(table({attached("::/1", OTHER)}).is_routed(net("10.1.0.0/16"), OTHER));
}

TEST_CASE("attached networks are translated where guests may reach them; a link's default always")
{
  CHECK(table({attached("192.0.2.0/24")}, true).exempt()
        == std::set<Prefix>{net("169.254.0.0/16")});
  CHECK(table({attached("0.0.0.0/0")}).exempt() == std::set<Prefix>{net("169.254.0.0/16")});
}

TEST_CASE("IPv6 has its ways and what is exempt in one table, where the longest prefix decides")
{
  WayTable ways = table({by_gateway("::/0", "fe80::1"),
                         by_gateway("2001:db8:5::/48", "fe80::2", OTHER),
                         attached("2001:db8:1::/64"),
                         by_gateway("10.0.0.0/8", "192.0.2.1")});
  ways.set_neighbour(ip("fe80::1"), ROUTER);
  ways.set_neighbour(ip("2001:db8:1::9"), ROUTER); // in the attached network, which is closed
  const auto both = ways.ways6();
  CHECK(both.at(net("::/0")).ifindex == EXTERNAL);
  CHECK(both.at(net("::/0")).flags == 0);
  CHECK(both.at(net("2001:db8:5::/48")).ifindex == 0);
  CHECK(both.at(net("2001:db8:1::/64")).ifindex == 0);
  CHECK_FALSE(both.contains(net("2001:db8:1::9/128")));
  CHECK_FALSE(both.contains(net("10.0.0.0/8")));
  CHECK(ways.next_hop(ip("2001:db8:99::1")) == ip("fe80::1"));
  CHECK_FALSE(ways.ways().contains(net("::/0")));
}
