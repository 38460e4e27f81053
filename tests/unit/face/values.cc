#include "face/values.hh"

#include <doctest/doctest.h>

using namespace slirpstack;
using namespace std::chrono_literals;

namespace {

template<typename Parse>
std::string reason_of(Parse parse)
{
  try {
    static_cast<void>(parse());
  } catch (const BadValue& bad) {
    return bad.what();
  }
  return "no reason";
}

std::string network_reason(std::string_view text, Family family)
{
  return reason_of([&] { return parse_network(text, family); });
}

} // namespace

TEST_CASE("numbers are decimal and in range")
{
  CHECK(parse_number("68", 68, 100) == 68);
  CHECK(parse_number("100", 68, 100) == 100);
  for (const char* text :
       {"", "67", "101", "-1", "+70", "0x45", "70 ", " 70", "7e1", "99999999999999999999"}) {
    CAPTURE(text);
    CHECK(reason_of([&] { return parse_number(text, 68, 100); })
          == "must be a number from 68 to 100");
  }
}

TEST_CASE("durations are Go's, and seconds without a unit")
{
  struct Case
  {
    const char* text;
    std::chrono::nanoseconds value;
  };
  for (const Case& each : {Case{"0", 0ms},
                           Case{"10", 10s},
                           Case{"1.5", 1500ms},
                           Case{"300ms", 300ms},
                           Case{"300s", 300s},
                           Case{"5m", 5min},
                           Case{"1h30m", 90min},
                           Case{"1.5h", 90min},
                           Case{".5m", 30s},
                           Case{"1.s", 1s},
                           Case{"1m1m", 2min},
                           Case{"1s1ms", 1001ms},
                           Case{"0.1s", 100ms},
                           Case{"1000us", 1ms},
                           Case{"1000\u00b5s", 1ms},
                           Case{"1000\u03bcs", 1ms},
                           Case{"1ns", 1ns},
                           Case{"719.9h", 43194min}}) {
    CAPTURE(std::string(each.text));
    CHECK(parse_duration(each.text) == each.value);
  }
}

TEST_CASE("what is no duration says what one looks like")
{
  for (const char* text : {"",
                           "s",
                           "-1s",
                           "+1s",
                           "1x",
                           "1 s",
                           "1m30",
                           "1.2.3s",
                           ".",
                           ".s",
                           "1e3s",
                           "inf",
                           "nan",
                           "0x1s",
                           "9223372037s",
                           "99999999999999999999999h",
                           "2562047h47m17s"}) {
    CAPTURE(text);
    CHECK(reason_of([&] { return parse_duration(text); })
          == "must be a duration such as 90s, 5m or 1h30m");
  }
  CHECK(reason_of([] { return parse_duration(std::string(400, '9')); }) != "no reason");
}

TEST_CASE("sizes count in 1024s")
{
  CHECK(parse_size("1", 0, 10) == 1);
  CHECK(parse_size("1K", 0, 1024) == 1024);
  CHECK(parse_size("2M", 0, 1U << 30U) == 2U << 20U);
  CHECK(parse_size("1G", 0, 1U << 30U) == 1U << 30U);
  for (const char* text :
       {"", "K", "1k", "1KB", "1T", "-1", "1.5M", "1023", "2G", "17179869184G"}) {
    CAPTURE(text);
    CHECK(reason_of([&] { return parse_size(text, 1024, 1U << 30U); })
          == "must be bytes from 1K to 1G, with K, M or G for 1024s");
  }
}

TEST_CASE("a source is an address of its family that a socket can have")
{
  CHECK(parse_source("192.0.2.1", Family::ipv4).to_string() == "192.0.2.1");
  CHECK(parse_source("2001:db8::1", Family::ipv6).to_string() == "2001:db8::1");
  const auto reason = [](std::string_view text, Family family) {
    return reason_of([&] { return parse_source(text, family); });
  };
  CHECK(reason("2001:db8::1", Family::ipv4) == "must be an IPv4 address");
  CHECK(reason("192.0.2.1", Family::ipv6) == "must be an IPv6 address");
  CHECK(reason("eth0", Family::ipv4) == "must be an IPv4 address");
  for (const char* text : {"0.0.0.0", "224.0.0.1"}) {
    CHECK(reason(text, Family::ipv4) == "must be one of this host's own addresses");
  }
  for (const char* text : {"::", "ff02::1"}) {
    CHECK(reason(text, Family::ipv6) == "must be one of this host's own addresses");
  }
}

TEST_CASE("a guest network has room for its addresses and no host bits")
{
  CHECK(parse_network("10.0.2.0/24", Family::ipv4).to_string() == "10.0.2.0/24");
  CHECK(parse_network("192.0.2.128/25", Family::ipv4).length_bits() == 25);
  CHECK(parse_network("fd00::/64", Family::ipv6).to_string() == "fd00::/64");
  CHECK(parse_network("fd00::/119", Family::ipv6).length_bits() == 119);
  CHECK(network_reason("10.0.2.100/24", Family::ipv4) == "must be a network address: 10.0.2.0/24");
  CHECK(network_reason("fd00::1/64", Family::ipv6) == "must be a network address: fd00::/64");
  for (const char* text : {"10.0.2.0/26", "10.0.2.0/32", "0.0.0.0/0"}) {
    CAPTURE(text);
    CHECK(network_reason(text, Family::ipv4) == "the prefix length must be from 1 to 25");
  }
  for (const char* text : {"fd00::/120", "fd00::/128", "::/0"}) {
    CAPTURE(text);
    CHECK(network_reason(text, Family::ipv6) == "the prefix length must be from 1 to 119");
  }
}

TEST_CASE("what is no network says what one looks like")
{
  for (const char* text : {"", "10.0.2.0", "10.0.2/24", "10.0.2.0/33", "10.0.2.0/", "fd00::/64"}) {
    CAPTURE(text);
    CHECK(network_reason(text, Family::ipv4) == "must be an IPv4 network such as 10.0.2.0/24");
  }
  for (const char* text : {"", "fd00::", "10.0.2.0/24", "fd00::/129"}) {
    CAPTURE(text);
    CHECK(network_reason(text, Family::ipv6) == "must be an IPv6 network such as fd00::/64");
  }
}

TEST_CASE("a guest network does not touch addresses with a meaning of their own")
{
  for (const char* text : {"0.0.0.0/8",
                           "0.0.0.0/1",
                           "127.0.0.0/24",
                           "64.0.0.0/2",
                           "169.254.0.0/24",
                           "168.0.0.0/6",
                           "224.0.0.0/24",
                           "255.255.255.0/24",
                           "128.0.0.0/1"}) {
    CAPTURE(text);
    CHECK(network_reason(text, Family::ipv4)
          == "must be an ordinary unicast network such as 10.0.2.0/24");
  }
  for (const char* text : {"::/64", "::/96", "::/1", "fe80::/64", "ff00::/64", "8000::/1"}) {
    CAPTURE(text);
    CHECK(network_reason(text, Family::ipv6)
          == "must be an ordinary unicast network such as fd00::/64");
  }
}

TEST_CASE("an interface name is one that the kernel takes literally")
{
  for (const char* text : {"tun0", "a", "eth0.100", "123456789012345"}) {
    CAPTURE(text);
    CHECK(parse_interface(text) == text);
  }
  for (const char* text :
       {"", ".", "..", "1234567890123456", "a/b", "a:b", "tun%d", "a b", "a\nb"}) {
    CAPTURE(text);
    CHECK(reason_of([&] { return parse_interface(text); })
          == "must be an interface name of 1 to 15 characters, without '/', ':', '%' or blanks");
  }
}
