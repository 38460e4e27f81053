#include "flow/flow_key.hh"

#include <doctest/doctest.h>
#include <set>

namespace slirpstack {

namespace {

FlowKey key_of(std::uint8_t protocol, std::uint16_t guest_port, std::uint16_t remote_port)
{
  return {protocol,
          {IpAddress::parse("10.0.2.100").value(), guest_port},
          {IpAddress::parse("192.0.2.1").value(), remote_port}};
}

} // namespace

TEST_CASE("a flow's name is written for people")
{
  CHECK(key_of(6, 40000, 80).to_string() == "tcp 10.0.2.100:40000 -> 192.0.2.1:80");
  CHECK(key_of(17, 1, 53).to_string() == "udp 10.0.2.100:1 -> 192.0.2.1:53");
  CHECK(key_of(1, 7, 0).to_string() == "icmp 10.0.2.100:7 -> 192.0.2.1");
  CHECK(key_of(132, 1, 2).to_string() == "protocol-132 10.0.2.100:1 -> 192.0.2.1:2");
  const FlowKey ipv6{
    6, {IpAddress::parse("fd00::100").value(), 1}, {IpAddress::parse("2001:db8::1").value(), 443}};
  CHECK(ipv6.to_string() == "tcp [fd00::100]:1 -> [2001:db8::1]:443");
}

TEST_CASE("every part of the name and the secret take part in the hash")
{
  const FlowKeyHash hash({1, 2});
  const FlowKey base = key_of(6, 40000, 80);
  FlowKey other_address = base;
  other_address.remote.address = IpAddress::parse("192.0.2.2").value();
  FlowKey swapped{base.protocol, base.remote, base.guest};
  const std::set<std::size_t> hashes{hash(base),
                                     hash(key_of(17, 40000, 80)),
                                     hash(key_of(6, 40001, 80)),
                                     hash(key_of(6, 40000, 81)),
                                     hash(other_address),
                                     hash(swapped),
                                     FlowKeyHash({1, 3})(base)};
  CHECK(hashes.size() == 7);
  CHECK(hash(base) == FlowKeyHash({1, 2})(base));
}

TEST_CASE("an IPv4 address and the IPv6 address that begins with it are two names")
{
  const FlowKeyHash hash({1, 2});
  const Endpoint ipv4{IpAddress::parse("32.1.13.184").value(), 1};
  const Endpoint ipv6{IpAddress::parse("2001:db8::").value(), 1};
  CHECK(ipv4 != ipv6);
  CHECK(hash(ipv4) != hash(ipv6));
}

} // namespace slirpstack
