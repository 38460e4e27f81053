#include "flow/host_networks.hh"

#include <doctest/doctest.h>
#include <random>

using namespace slirpstack;

namespace {

using Kind = HostNetworks::Kind;

HostNetworks example()
{
  HostNetworks networks;
  networks.add(Kind::attached_network, *Prefix::parse("192.0.2.0/24"));
  networks.add(Kind::own_address, *Prefix::parse("192.0.2.7/32"));
  networks.add(Kind::own_address, *Prefix::parse("127.0.0.0/8"));
  networks.add(Kind::attached_network, *Prefix::parse("192.0.2.7/32"));
  networks.add(Kind::attached_network, *Prefix::parse("2001:db8::/64"));
  networks.add(Kind::own_address, *Prefix::parse("2001:db8::7"));
  return networks;
}

} // namespace

TEST_CASE("an address is the host's own, in a network of its, or neither")
{
  struct Case
  {
    const char* address;
    std::optional<Kind> kind;
  };
  const std::array cases{
    Case{"192.0.2.1", Kind::attached_network},
    Case{"192.0.2.255", Kind::attached_network},
    Case{"192.0.3.0", std::nullopt},
    Case{"192.0.1.255", std::nullopt},
    Case{"192.0.2.7", Kind::own_address},
    Case{"127.1.2.3", Kind::own_address},
    Case{"126.255.255.255", std::nullopt},
    Case{"2001:db8::1", Kind::attached_network},
    Case{"2001:db8::7", Kind::own_address},
    Case{"2001:db8:0:1::", std::nullopt},
    Case{"::ffff:192.0.2.1", std::nullopt},
    Case{"::7f00:1", std::nullopt},
  };
  const HostNetworks networks = example();
  for (const Case& each : cases) {
    CAPTURE(each.address);
    CHECK(networks.find(*IpAddress::parse(each.address)) == each.kind);
  }
}

TEST_CASE("an empty set knows no address")
{
  const HostNetworks none;
  CHECK(none.empty());
  CHECK_FALSE(none.find(IpAddress::any(Family::ipv4)));
  CHECK_FALSE(none.find(IpAddress::any(Family::ipv6)));
}

TEST_CASE("order, repetition and host bits make no difference")
{
  HostNetworks a;
  a.add(Kind::attached_network, *Prefix::parse("192.0.2.0/24"));
  a.add(Kind::attached_network, *Prefix::parse("198.51.100.0/25"));
  HostNetworks b;
  b.add(Kind::attached_network, *Prefix::parse("198.51.100.9/25"));
  b.add(Kind::attached_network, *Prefix::parse("192.0.2.200/24"));
  b.add(Kind::attached_network, *Prefix::parse("192.0.2.1/24"));
  CHECK(a == b);
}

TEST_CASE("a lookup finds what asking each prefix finds")
{
  std::mt19937 random(7); // NOLINT: the same tests every time
  HostNetworks networks;
  std::vector<Prefix> prefixes;
  for (int i = 0; i < 200; ++i) {
    // Few leading bits, so that prefixes nest and addresses hit.
    const auto value = static_cast<std::uint32_t>(random()) & 0x0fff00ffU;
    prefixes.emplace_back(IpAddress::ipv4(value), 6 + random() % 27);
    networks.add(Kind::attached_network, prefixes.back());
  }
  int hits = 0;
  for (int i = 0; i < 2000; ++i) {
    const auto address = IpAddress::ipv4(static_cast<std::uint32_t>(random()) & 0x1fff00ffU);
    const bool expected = std::ranges::any_of(
      prefixes, [&](const Prefix& prefix) { return prefix.contains(address); });
    hits += expected ? 1 : 0;
    CAPTURE(address.to_string());
    CHECK(networks.find(address).has_value() == expected);
  }
  CHECK(hits > 100);
  CHECK(hits < 1900);
}
