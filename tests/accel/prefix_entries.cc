#include "accel/prefix_entries.hh"

#include "flow/map_edit.hh"

#include <algorithm>
#include <arpa/inet.h>
#include <doctest/doctest.h>

using namespace slirpstack;

namespace {

PrefixMap map_of(std::string_view batch)
{
  PrefixMap map(HashSecret{1, 2});
  apply_edits(map, parse_map_batch(batch));
  return map;
}

Prefix net(const char* text)
{
  return Prefix::parse(text).value();
}

} // namespace

TEST_CASE("of several interfaces that map a prefix the first by name decides in the kernel")
{
  const auto mappings = effective_mappings(map_of("add eth1 fd00::/64 2001:db8:1::/64\n"
                                                  "add eth0 fd00::/64 2001:db8:2::/64\n"
                                                  "add eth1 fd00::/80 2001:db8:3::/80\n"));
  REQUIRE(mappings.size() == 2);
  CHECK(mappings.at(net("fd00::/64")).external == net("2001:db8:2::/64"));
  CHECK(mappings.at(net("fd00::/80")).external == net("2001:db8:3::/80"));
}

TEST_CASE("RFC 6296's example has the adjustment 0xd54f, and asks about each flow")
{
  const nat_prefix entry
    = outbound_prefix({"eth0", net("fd01:203:405::/48"), net("2001:db8:1::/48"), true}, {});
  CHECK(ntohs(entry.adjustment) == 0xd54f);
  CHECK(entry.length == 48);
  CHECK(entry.flags == (NAT_PREFIX_NEUTRAL | NAT_PREFIX_ASKED));
  CHECK(std::ranges::equal(entry.prefix, net("2001:db8:1::/48").network().bytes()));
  CHECK(inbound_prefix().flags == NAT_PREFIX_ASKED);
}

TEST_CASE("a key holds its side, and the bits of both")
{
  const nat_prefix_key key = prefix_key(3, net("fd00:0:0:1::7/64"));
  CHECK(key.prefix_length == 96);
  CHECK(key.side == 3);
  CHECK(std::ranges::equal(key.address, net("fd00:0:0:1::/64").network().bytes()));
}
