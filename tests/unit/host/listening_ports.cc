#include "host/listening_ports.hh"

#include "wire/ip.hh"

#include <doctest/doctest.h>

using namespace slirpstack;

TEST_CASE("what listens is told from what is connected")
{
  const auto tcp = parse_listening_ports(
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
    "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n"
    "   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n"
    "   2: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0\n",
    PROTOCOL_TCP);
  REQUIRE(tcp.size() == 2);
  CHECK(tcp[0].address.to_string() == "127.0.0.1:8080");
  CHECK(tcp[1].address.to_string() == "0.0.0.0:22");
  CHECK(tcp[1].protocol == PROTOCOL_TCP);
}

TEST_CASE("a wildcard of IPv6 takes IPv4 too, an address of IPv6 does not")
{
  const auto udp = parse_listening_ports(
    "  1: 00000000000000000000000000000000:CA6C 00000000000000000000000000000000:0000 07 0:0\n"
    "  2: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 0:0\n"
    "nonsense\n"
    "  3: 00000000:zz 00000000:0000 07\n",
    PROTOCOL_UDP);
  REQUIRE(udp.size() == 1);
  CHECK(udp.front().address.to_string() == "0.0.0.0:51820");
}
