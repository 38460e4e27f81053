#include "wire/protocol_name.hh"

#include "wire/ip.hh"

#include <doctest/doctest.h>

using namespace slirpstack;

TEST_CASE("a protocol has one name, whatever the family, and its number if it is none of ours")
{
  CHECK(protocol_name(PROTOCOL_TCP) == "tcp");
  CHECK(protocol_name(PROTOCOL_UDP) == "udp");
  CHECK(protocol_name(PROTOCOL_ICMP) == "icmp");
  CHECK(protocol_name(PROTOCOL_ICMPV6) == "icmp");
  CHECK(protocol_name(132) == "protocol-132");
}
