#include "host/routes.hh"

#include "test_namespace.hh"

#include <doctest/doctest.h>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

using Kind = HostNetworks::Kind;

std::optional<Kind> find(const HostRoutes& routes, const char* address)
{
  return routes.networks().find(*IpAddress::parse(address));
}

} // namespace

TEST_CASE("the host's addresses and networks are known, and followed")
{
  Loop loop;
  HostRoutes routes(loop);
  int changes = 0;
  routes.on_changed([&] { ++changes; });
  CHECK(find(routes, "127.0.0.1") == Kind::own_address);
  CHECK(find(routes, "127.9.9.9") == Kind::own_address);
  CHECK(find(routes, "::1") == Kind::own_address);
  CHECK_FALSE(find(routes, "192.0.2.1"));

  REQUIRE(ip("addr add 192.0.2.1/24 dev lo"));
  REQUIRE(ip("-6 addr add 2001:db8::1/64 dev lo nodad"));
  CHECK(run_until(loop, [&] {
    return find(routes, "192.0.2.1").has_value() && find(routes, "2001:db8::1").has_value();
  }));
  CHECK(find(routes, "192.0.2.1") == Kind::own_address);
  CHECK(find(routes, "2001:db8::1") == Kind::own_address);
  CHECK(changes >= 1);

  REQUIRE(ip("addr del 192.0.2.1/24 dev lo"));
  REQUIRE(ip("-6 addr del 2001:db8::1/64 dev lo"));
  CHECK(run_until(loop, [&] {
    return !find(routes, "192.0.2.1").has_value() && !find(routes, "2001:db8::1").has_value();
  }));
}

TEST_CASE("what was made a moment ago is known to who asks for the newest")
{
  Loop loop;
  HostRoutes routes(loop);
  int changes = 0;
  routes.on_changed([&] { ++changes; });
  const auto newest = [&] { return routes.newest().find(*IpAddress::parse("2001:db8:5::1")); };
  CHECK_FALSE(newest());
  CHECK(changes == 0);
  REQUIRE(ip("-6 route add local 2001:db8:5::/64 dev lo"));
  CHECK(newest() == Kind::own_address);
  CHECK(changes == 1);
  REQUIRE(ip("-6 route del local 2001:db8:5::/64 dev lo"));
  CHECK(run_until(loop, [&] { return !newest(); })); // at once where the first reading was short
  CHECK(changes == 2);
}

TEST_CASE("on-link routes are attached networks, routes by a gateway and defaults are not")
{
  REQUIRE(ip("link add veth0 type veth peer name veth1"));
  REQUIRE(ip("link set veth0 up"));
  REQUIRE(ip("link set veth1 up"));
  REQUIRE(ip("addr add 192.0.2.10/24 dev veth0"));
  REQUIRE(ip("-6 addr add 2001:db8:9::10/64 dev veth0 nodad"));
  REQUIRE(ip("route add 198.51.100.0/24 via 192.0.2.254"));
  REQUIRE(ip("route add default via 192.0.2.254"));
  REQUIRE(ip("route add 0.0.0.0/1 dev veth0"));
  REQUIRE(ip("route add 203.0.113.0/25 dev veth0 table 77"));
  REQUIRE(ip("route add 203.0.113.128/25 nexthop via 192.0.2.254 nexthop dev veth0"));
  {
    Loop loop;
    HostRoutes routes(loop);
    CHECK(find(routes, "192.0.2.10") == Kind::own_address);
    CHECK(find(routes, "192.0.2.77") == Kind::attached_network);
    CHECK(find(routes, "192.0.2.255") == Kind::attached_network);
    CHECK(find(routes, "2001:db8:9::77") == Kind::attached_network);
    CHECK(find(routes, "fe80::1234") == Kind::attached_network);
    CHECK(find(routes, "203.0.113.5") == Kind::attached_network);   // any table
    CHECK(find(routes, "203.0.113.200") == Kind::attached_network); // one hop of several
    CHECK_FALSE(find(routes, "198.51.100.5"));
    CHECK_FALSE(find(routes, "8.8.8.8")); // half of everything stands for the default
    CHECK_FALSE(find(routes, "2001:db8:a::1"));

    REQUIRE(ip("route replace 203.0.113.0/25 via 192.0.2.254 table 77"));
    CHECK(run_until(loop, [&] { return !find(routes, "203.0.113.5").has_value(); }));
  }
  REQUIRE(ip("link del veth0"));
}

TEST_CASE("changes that come faster than they are read are not lost")
{
  Loop loop;
  HostRoutes routes(loop);
  // Overruns the socket's buffer, which makes the kernel report ENOBUFS and libuv end the watch.
  for (int i = 0; i < 8; ++i) {
    REQUIRE(ip("-batch /dev/stdin <<EOF\n" + [] {
      std::string lines;
      for (int address = 1; address < 250; ++address) {
        lines += "addr add 192.0.2." + std::to_string(address) + "/32 dev lo\n";
      }
      for (int address = 1; address < 250; ++address) {
        lines += "addr del 192.0.2." + std::to_string(address) + "/32 dev lo\n";
      }
      return lines;
    }() + "EOF"));
  }
  REQUIRE(ip("addr add 192.0.2.251/32 dev lo"));
  CHECK(run_until(loop, [&] { return find(routes, "192.0.2.251").has_value(); }));
  REQUIRE(ip("addr del 192.0.2.251/32 dev lo"));
  CHECK(run_until(loop, [&] { return !find(routes, "192.0.2.251").has_value(); }));
}
