#include "scenario/world.hh"

#include <algorithm>
#include <doctest/doctest.h>
#include <iterator>

namespace slirpstack {

Endpoint endpoint(std::string_view address, std::uint16_t port)
{
  return {IpAddress::parse(address).value(), port};
}

Gateway::Settings World::settings()
{
  Gateway::Settings settings;
  settings.addresses = {.gateway_ipv4 = IpAddress::parse("10.0.2.2").value(),
                        .gateway_ipv6 = IpAddress::parse("fd00::2").value(),
                        .dns_ipv4 = IpAddress::parse("10.0.2.3").value(),
                        .dns_ipv6 = IpAddress::parse("fd00::3").value()};
  settings.policy.guest_networks
    = {Prefix::parse("10.0.2.0/24").value(), Prefix::parse("fd00::/64").value()};
  settings.max_flows = 2000;
  return settings;
}

World::World(const Gateway::Settings& settings, std::size_t pool_ceiling_bytes)
  : pool(pool_ceiling_bytes)
  , gateway(settings,
            link,
            host,
            names,
            pool,
            {.secret = {1, 2},
             .random_id = [] { return std::uint16_t{7}; },
             .resolvers = [] { return std::vector{endpoint("198.51.100.53", 53)}; },
             .host_networks = [this]() -> const HostNetworks& { return host_networks_; }})
{
  host_networks_.add(HostNetworks::Kind::attached_network, Prefix::parse("203.0.113.0/24").value());
  gateway.set_time(now_);
}

void World::host_takes(std::string_view prefix)
{
  host_networks_.add(HostNetworks::Kind::own_address, Prefix::parse(prefix).value());
}

void World::guest_sends(ByteView packet, bool checksum_trusted)
{
  const auto length_bytes = static_cast<std::uint32_t>(packet.size());
  Block block = pool.take_large();
  std::ranges::copy(packet, block->data());
  gateway.on_packet({.block = std::move(block),
                     .length_bytes = length_bytes,
                     .checksum_trusted = checksum_trusted});
  CHECK(gateway.stack().lists_are_empty());
}

void World::settle()
{
  constexpr int MANY_TURNS = 10000;
  int turns = 0;
  while (gateway.flush()) {
    REQUIRE(++turns < MANY_TURNS); // else the gateway would spin
  }
  CHECK(gateway.stack().lists_are_empty());
}

std::size_t World::advance(Duration duration)
{
  settle();
  const TimePoint until = now_ + duration;
  std::size_t wake_ups = 0;
  while (gateway.next_deadline() <= until) {
    now_ = std::max(now_, gateway.next_deadline());
    gateway.set_time(now_);
    gateway.on_deadline();
    settle();
    ++wake_ups;
  }
  now_ = until;
  gateway.set_time(now_);
  return wake_ups;
}

std::deque<GuestReceived>& World::inbox()
{
  settle();
  std::ranges::move(link.take(), std::back_inserter(inbox_));
  return inbox_;
}

GuestReceived World::expects_icmp(int type, int code)
{
  REQUIRE_FALSE(inbox().empty());
  GuestReceived packet = std::move(inbox_.front());
  inbox_.pop_front();
  const IpHeader ip = packet.ip();
  REQUIRE(ip.protocol == (ip.family() == Family::ipv4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6));
  CHECK(packet.icmp_type_code() == std::pair(type, code));
  CHECK(packet.checksum_is_right());
  return packet;
}

void World::expects_nothing()
{
  CHECK(inbox().empty());
}

} // namespace slirpstack
