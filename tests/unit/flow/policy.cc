#include "flow/policy.hh"

#include <doctest/doctest.h>

namespace slirpstack {

namespace {

struct Case
{
  const char* destination;
  std::optional<Denial> denial;
};

Policy::Settings settings()
{
  Policy::Settings settings;
  settings.guest_networks
    = {Prefix::parse("10.0.2.0/24").value(), Prefix::parse("fd00::/64").value()};
  return settings;
}

HostNetworks host()
{
  HostNetworks networks;
  networks.add(HostNetworks::Kind::own_address, Prefix::parse("203.0.113.5/32").value());
  networks.add(HostNetworks::Kind::attached_network, Prefix::parse("203.0.113.0/24").value());
  networks.add(HostNetworks::Kind::attached_network, Prefix::parse("2001:db8:1::/64").value());
  return networks;
}

void check(const Policy& policy, std::initializer_list<Case> cases)
{
  for (const Case& expected : cases) {
    CAPTURE(expected.destination);
    const auto denial = policy.denial(IpAddress::parse(expected.destination).value(), host());
    CHECK((denial == expected.denial));
  }
}

} // namespace

TEST_CASE("by default the internet is open and what is near is not")
{
  check(Policy(settings()),
        {{"192.0.2.1", std::nullopt},
         {"2001:db8::1", std::nullopt},
         {"10.0.3.1", std::nullopt}, // private, but behind a gateway
         {"0.0.0.0", Denial::unspecified_address},
         {"0.1.2.3", Denial::unspecified_address},
         {"127.0.0.1", Denial::loopback},
         {"127.255.255.255", Denial::loopback},
         {"169.254.169.254", Denial::metadata_service},
         {"169.254.1.1", Denial::link_local},
         {"224.0.0.251", Denial::multicast_or_broadcast},
         {"255.255.255.255", Denial::multicast_or_broadcast},
         {"10.0.2.77", Denial::guest_network},
         {"203.0.113.5", Denial::host_address},
         {"203.0.113.255", Denial::host_network},
         {"::", Denial::unspecified_address},
         {"::1", Denial::loopback},
         {"fe80::1", Denial::link_local},
         {"ff02::1", Denial::multicast_or_broadcast},
         {"fd00:ec2::254", Denial::metadata_service},
         {"fd00::9", Denial::guest_network},
         {"2001:db8:1::7", Denial::host_network}});
}

TEST_CASE("an IPv4 address inside an IPv6 one is judged as well")
{
  check(Policy(settings()),
        {{"::ffff:127.0.0.1", Denial::loopback},
         {"::127.0.0.1", Denial::loopback},
         {"64:ff9b::127.0.0.1", Denial::loopback},
         {"::ffff:169.254.169.254", Denial::metadata_service},
         {"64:ff9b::203.0.113.5", Denial::host_address},
         {"2002:a9fe:a9fe::1", Denial::metadata_service},
         {"2002:7f00:1::1", Denial::loopback},
         {"::ffff:0:127.0.0.1", Denial::loopback},
         {"64:ff9b:1::1", Denial::host_network},
         {"2002:c000:201::1", std::nullopt},
         {"::ffff:192.0.2.1", std::nullopt},
         {"64:ff9b::192.0.2.1", std::nullopt}});
}

TEST_CASE("-enable-host opens the host's networks and nothing else")
{
  Policy::Settings open = settings();
  open.allow_host_networks = true;
  check(Policy(open),
        {{"203.0.113.5", std::nullopt},
         {"203.0.113.6", std::nullopt},
         {"127.0.0.1", Denial::loopback},
         {"169.254.169.254", Denial::metadata_service},
         {"10.0.2.77", Denial::guest_network}});
}

TEST_CASE("-disable-routing closes the rest")
{
  Policy::Settings closed = settings();
  closed.allow_routing = false;
  check(Policy(closed),
        {{"192.0.2.1", Denial::routing_disabled}, {"203.0.113.6", Denial::host_network}});
  closed.allow_host_networks = true;
  check(Policy(closed),
        {{"192.0.2.1", Denial::routing_disabled},
         {"::ffff:192.0.2.1", Denial::routing_disabled},
         {"203.0.113.6", std::nullopt}});
}

TEST_CASE("every denial has a name of its own for the log")
{
  std::vector<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(Denial::routing_disabled); ++i) {
    const auto name = denial_name(static_cast<Denial>(i));
    CHECK_FALSE(name.empty());
    for (const std::string_view other : names) {
      CHECK(name != other);
    }
    names.push_back(name);
  }
}

} // namespace slirpstack
