#include "wire/address.hh"

#include <doctest/doctest.h>

using namespace slirpstack;

namespace {

IpAddress address(std::string_view text)
{
  return IpAddress::parse(text).value();
}

} // namespace

TEST_CASE("addresses are read and written as text")
{
  for (const char* text :
       {"0.0.0.0", "192.0.2.1", "::", "::1", "2001:db8::1", "::ffff:192.0.2.1"}) {
    CAPTURE(text);
    CHECK(address(text).to_string() == text);
  }
  for (const char* text :
       {"", "1.2.3", "256.1.1.1", "1.2.3.4.5", ":::", "fe80::1%eth0", "[::1]", "host"}) {
    CAPTURE(text);
    CHECK_FALSE(IpAddress::parse(text));
  }
  CHECK_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0x", 9)));
}

TEST_CASE("endpoints put brackets round an IPv6 address")
{
  CHECK(Endpoint{address("192.0.2.1"), 80}.to_string() == "192.0.2.1:80");
  CHECK(Endpoint{address("2001:db8::1"), 80}.to_string() == "[2001:db8::1]:80");
}

TEST_CASE("a prefix contains its network and nothing else")
{
  const Prefix prefix = Prefix::parse("10.0.2.100/23").value();
  CHECK(prefix.network() == address("10.0.2.0"));
  CHECK(prefix.contains(address("10.0.3.255")));
  CHECK_FALSE(prefix.contains(address("10.0.4.0")));
  CHECK_FALSE(prefix.contains(address("::")));
  CHECK(Prefix::parse("0.0.0.0/0").value().contains(address("255.1.2.3")));
  CHECK(Prefix::parse("fd00::/64").value().host(0x1ff) == address("fd00::1ff"));
  CHECK(Prefix::parse("10.0.0.0/8").value().host(256) == address("10.0.1.0"));
}

TEST_CASE("a prefix length must fit the family")
{
  for (const char* text :
       {"10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/-1", "10.0.0.0/8 "}) {
    CAPTURE(text);
    CHECK_FALSE(Prefix::parse(text));
  }
  CHECK(Prefix::parse("192.0.2.1").value().length_bits() == 32);
}

TEST_CASE("special addresses are recognised")
{
  CHECK(address("127.9.9.9").is_loopback());
  CHECK(address("::1").is_loopback());
  CHECK_FALSE(address("::2").is_loopback());
  CHECK(address("169.254.169.254").is_link_local());
  CHECK(address("febf::1").is_link_local());
  CHECK_FALSE(address("fec0::1").is_link_local());
  CHECK(address("239.0.0.1").is_multicast());
  CHECK(address("ff02::1").is_multicast());
  CHECK(address("::ffff:10.0.0.1").unmapped() == address("10.0.0.1"));
  CHECK_FALSE(address("2001:db8::1").unmapped());
}
