#include "guest/guest_addresses.hh"

#include <doctest/doctest.h>

using namespace slirpstack;

TEST_CASE("a network is numbered as slirp does: gateway 2, DNS 3, guest 100")
{
  struct Row
  {
    const char* network;
    const char* guest;
    const char* gateway;
    const char* dns;
  };
  for (const Row& row : {Row{"10.0.2.0/24", "10.0.2.100/24", "10.0.2.2", "10.0.2.3"},
                         Row{"192.0.2.128/25", "192.0.2.228/25", "192.0.2.130", "192.0.2.131"},
                         Row{"fd00::/64", "fd00::64/64", "fd00::2", "fd00::3"}}) {
    CAPTURE(row.network);
    const auto address = GuestAddress::in_network(Prefix::parse(row.network).value());
    CHECK(address.guest.to_string() == row.guest);
    CHECK(address.gateway.to_string() == row.gateway);
    CHECK(address.dns().to_string() == row.dns);
  }
}
