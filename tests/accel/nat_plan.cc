#include "accel/nat_plan.hh"

#include "accel/zones.hh"

#include <arpa/inet.h>
#include <doctest/doctest.h>

using namespace slirpstack;

namespace {

NatPlan plan()
{
  NatPlan made;
  made.external = parse_address_ranges("203.0.113.1,198.51.100.0/30");
  made.internal = {Prefix::parse("10.0.0.0/8").value()};
  made.ports = {2000, 2999};
  made.gateway = IpAddress::parse("10.0.2.2").value();
  made.gateway_mac = {{2, 3, 4, 5, 6, 7}};
  return made;
}

} // namespace

TEST_CASE("a plan becomes the settings that the programs read")
{
  NatPlan asked = plan();
  asked.kernel_allocates = asked.has_zones = true;
  asked.filter_tcp = NAT_FILTER_ADDRESS;
  asked.block_ports = 100;
  asked.quota = 50;
  const nat_settings settings = settings_of(asked, 3);
  CHECK(settings.flags
        == (NAT_ALLOCATE | NAT_ZONES | NAT_INBOUND_REFRESH | NAT_EXEMPTIONS | NAT_RENUMBER));
  asked.inbound_refreshes = false;
  CHECK(settings_of(asked, 3).flags == (NAT_ALLOCATE | NAT_ZONES | NAT_EXEMPTIONS | NAT_RENUMBER));
  CHECK(settings.generation == 3);
  REQUIRE(settings.external_ranges == 2);
  CHECK(settings.external[0].first == 0xcb007101);
  CHECK(settings.external[0].count == 1);
  CHECK(settings.external[1].count == 4);
  CHECK(settings.external_addresses == 5);
  REQUIRE(settings.internal_ranges == 1);
  CHECK(settings.internal[0].first == 0x0a000000);
  CHECK(settings.internal[0].count == 1U << 24U);
  CHECK(settings.gateway == 0x0a000202);
  CHECK(settings.gateway_mac[5] == 7);
  CHECK(settings.port_first == 2000);
  CHECK(settings.port_last == 2999);
  CHECK(settings.block_ports == 100);
  CHECK(settings.quota == 50);
  CHECK(settings.filter_tcp == NAT_FILTER_ADDRESS);
  CHECK(settings.filter_udp == NAT_FILTER_PORT);
}

TEST_CASE("whose block an external port is in follows from the plan")
{
  NatPlan asked = plan();
  asked.kernel_allocates = true;
  asked.block_ports = 300; // three to an address, and 100 ports that nobody has
  const auto owner = [&](const char* external) {
    const auto found = block_owner(asked, Endpoint::parse(external).value());
    return found ? found->to_string() : "nobody";
  };
  CHECK(owner("203.0.113.1:2000") == "10.0.0.0");
  CHECK(owner("203.0.113.1:2299") == "10.0.0.0");
  CHECK(owner("203.0.113.1:2300") == "10.0.0.1");
  CHECK(owner("203.0.113.1:2900") == "nobody");
  CHECK(owner("203.0.113.1:1999") == "nobody");
  CHECK(owner("198.51.100.1:2000") == "10.0.0.6");
  CHECK(block_text(asked, IpAddress::parse("10.0.0.7").value()) == "198.51.100.1:2300-2599");
  asked.internal = {Prefix::parse("10.0.0.0/30").value(), Prefix::parse("10.9.0.0/30").value()};
  CHECK(owner("198.51.100.0:2300") == "10.9.0.0");
  CHECK(owner("198.51.100.3:2000") == "nobody"); // a block of no internal address
  asked.block_ports = 0;
  CHECK(owner("203.0.113.1:2000") == "nobody");
}

TEST_CASE("endpoints of the maps are read back as they were")
{
  const IpAddress address = IpAddress::parse("203.0.113.7").value();
  CHECK(address_of(map_address(address)) == address);
  CHECK(endpoint_of({map_address(address), htons(443), 6, 2}).to_string() == "203.0.113.7:443");
}

TEST_CASE("a binding is planned if both its ends are")
{
  const auto ip = [](const char* text) { return IpAddress::parse(text).value(); };
  CHECK(is_planned(plan(), ip("10.1.2.3"), ip("198.51.100.3")));
  CHECK_FALSE(is_planned(plan(), ip("10.1.2.3"), ip("198.51.100.4")));
  CHECK_FALSE(is_planned(plan(), ip("11.1.2.3"), ip("198.51.100.3")));
}

TEST_CASE("blocks are counted whole, over all external addresses")
{
  NatPlan asked = plan();
  CHECK(port_blocks(asked) == 0);
  asked.block_ports = 300; // three in a thousand ports
  CHECK(port_blocks(asked) == 15);
  CHECK(internal_addresses(asked) == 1U << 24U);
}

TEST_CASE("guests get a zone each, and those who come back their own")
{
  Zones zones({{40, 0}, {41, 3}});
  CHECK(zones.take(50) == 1); // 0 and 3 are kept for those who may come back
  CHECK(zones.take(41) == 3);
  zones.forget_former();
  CHECK(zones.take(51) == 0);
  CHECK(zones.take(52) == 2);
  zones.give_back(1);
  CHECK(zones.take(53) == 1);
}

TEST_CASE("there are 256 zones")
{
  Zones zones;
  for (unsigned zone = 0; zone < 256; ++zone) {
    CHECK(zones.take(100 + zone) == zone);
  }
  CHECK_FALSE(zones.take(1));
}
