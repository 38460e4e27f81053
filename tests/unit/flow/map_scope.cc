#include "flow/map_scope.hh"

#include <doctest/doctest.h>

using namespace slirpstack;

namespace {

Prefix prefix(std::string_view text)
{
  return Prefix::parse(text).value();
}

} // namespace

TEST_CASE("a scope reaches what lies within its prefixes, on both sides")
{
  const MapScope scope({prefix("fd00:1::/48")}, {prefix("2001:db8:1::/56")});
  PrefixMapping mapping{.interface = "eth0",
                        .internal = prefix("fd00:1:0:5::/64"),
                        .external = prefix("2001:db8:1:5::/64")};
  CHECK(scope.changes(mapping));
  mapping.external = prefix("2001:db8:1::/48"); // wider than its own
  CHECK(scope.sees(mapping));
  CHECK_FALSE(scope.changes(mapping));
  mapping.internal = prefix("fd00:2::/64");
  CHECK_FALSE(scope.sees(mapping));
  CHECK_FALSE(scope.is_read_only());
}

TEST_CASE("a scope without external prefixes only sees")
{
  const MapScope scope({prefix("fd00:1::/48")}, {});
  CHECK(scope.is_read_only());
  CHECK_FALSE(scope.changes(
    {.interface = "eth0", .internal = prefix("fd00:1::/64"), .external = prefix("2001:db8::/64")}));
  CHECK(MapScope().changes({.interface = "eth0", .internal = prefix("::/0"), .external = {}}));
}
