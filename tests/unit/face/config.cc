#include "face/config.hh"

#include <doctest/doctest.h>

using namespace slirpstack;

namespace {

std::string text(const IpAddress& address)
{
  return address.to_string();
}

} // namespace

TEST_CASE("the guest's world has the addresses that the man page names")
{
  const Config::Network network;
  CHECK(text(network.gateway(Family::ipv4)) == "10.0.2.2");
  CHECK(text(network.dns(Family::ipv4)) == "10.0.2.3");
  CHECK(text(network.guest(Family::ipv4)) == "10.0.2.100");
  CHECK(text(network.gateway(Family::ipv6)) == "fd00::2");
  CHECK(text(network.dns(Family::ipv6)) == "fd00::3");
  CHECK(text(network.guest(Family::ipv6)) == "fd00::100");
}

TEST_CASE("another network moves its addresses along")
{
  Config::Network network;
  network.cidr = Prefix::parse("192.0.2.0/25").value();
  network.cidr6 = Prefix::parse("2001:db8::/119").value();
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    const Prefix& prefix = family == Family::ipv4 ? network.cidr : network.cidr6;
    CHECK(prefix.contains(network.gateway(family)));
    CHECK(prefix.contains(network.dns(family)));
    CHECK(prefix.contains(network.guest(family)));
  }
  CHECK(text(network.guest(Family::ipv4)) == "192.0.2.100");
  CHECK(text(network.guest(Family::ipv6)) == "2001:db8::100");
}

TEST_CASE("IPv6 needs an MTU of 1280")
{
  Config::Network network;
  CHECK(network.carries_ipv6());
  network.mtu = 1280;
  CHECK(network.carries_ipv6());
  network.mtu = 1279;
  CHECK_FALSE(network.carries_ipv6());
}
