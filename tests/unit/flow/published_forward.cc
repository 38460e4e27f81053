#include "flow/published_forward.hh"

#include "base/error.hh"
#include "wire/ip.hh"

#include <doctest/doctest.h>

using namespace slirpstack;

namespace {

const NatNetworks NETWORKS{parse_address_ranges("203.0.113.1,198.51.100.0/30"),
                           {Prefix::parse("10.0.0.0/8").value()}};
const NatNetworks ONE_ADDRESS{parse_address_ranges("203.0.113.1"), NETWORKS.internal};

std::vector<PublishedPort> ports_of(std::string_view text, const NatNetworks& networks = NETWORKS)
{
  return published_ports(ForwardSpec::parse(ForwardDirection::local, text), networks);
}

std::string error_of(std::string_view text, const NatNetworks& networks = NETWORKS)
{
  try {
    static_cast<void>(ports_of(text, networks));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

std::string text_of(const PublishedPort& port)
{
  return external_text(port) + " " + port.guest.to_string();
}

} // namespace

TEST_CASE("a forward of the NAT is one external port for one internal one")
{
  const auto one = ports_of("203.0.113.1:8080:10.0.0.2:80");
  REQUIRE(one.size() == 1);
  CHECK(text_of(one.front()) == "tcp://203.0.113.1:8080 10.0.0.2:80");
  const auto range = ports_of("udp://198.51.100.3:7000-7002:10.0.0.2:27000-27002");
  REQUIRE(range.size() == 3);
  CHECK(text_of(range.back()) == "udp://198.51.100.3:7002 10.0.0.2:27002");
}

TEST_CASE("what a forward of the NAT leaves out is the only address, and the same port")
{
  CHECK(text_of(ports_of("8080:10.0.0.2:80", ONE_ADDRESS).front())
        == "tcp://203.0.113.1:8080 10.0.0.2:80");
  const auto same = ports_of("7000-7001:10.0.0.2:0", ONE_ADDRESS);
  REQUIRE(same.size() == 2);
  CHECK(text_of(same.back()) == "tcp://203.0.113.1:7001 10.0.0.2:7001");
  CHECK(text_of(ports_of("203.0.113.1:80:10.0.0.2:").front())
        == "tcp://203.0.113.1:80 10.0.0.2:80");
}

TEST_CASE("a forward that the NAT cannot be is refused with the reason")
{
  struct Case
  {
    std::string_view text;
    std::string_view error;
  };
  for (const Case& each : {
         Case{"8080:10.0.0.2:80", "has to name its external address, as there are several"},
         {"192.0.2.1:8080:10.0.0.2:80", "192.0.2.1 is no external address of the NAT"},
         {"203.0.113.1:8080:11.0.0.2:80", "11.0.0.2 is in no internal network of the NAT"},
         {"203.0.113.1:8080", "has to name the internal address that it leads to"},
         {"203.0.113.1:8080::80", "has to name the internal address that it leads to"},
         {"203.0.113.1::10.0.0.2:80", "has to name the external port"},
         {"203.0.113.1:8080:web:80",
          R"("web": must be an IPv4 address, as the NAT looks up no names)"},
         {"[2001:db8::1]:8080:10.0.0.2:80", "2001:db8::1: must be an IPv4 address"},
         {"203.0.113.1%eth0:8080:10.0.0.2:80",
          R"(device "eth0": the NAT binds to none, only to an address)"},
         {"unix:/run/x:10.0.0.2:80",
          "a Unix socket is nothing that the NAT has: name an address and a port"},
         {"203.0.113.1:8080:10.0.0.2:80,10.0.0.3:80",
          "the NAT leads to one internal address: name one target"},
         {"udprpc://203.0.113.1:53:10.0.0.2:53",
          "udprpc takes a socket, and the NAT has none: tcp or udp"},
         {"tcppp://203.0.113.1:80:10.0.0.2:80",
          "tcppp takes a socket, and the NAT has none: tcp or udp"},
       }) {
    CAPTURE(each.text);
    CHECK(error_of(each.text) == each.error);
  }
}
