#include "wire/drop.hh"

#include <doctest/doctest.h>
#include <set>

using namespace slirpstack;

TEST_CASE("every reason has a name of its own")
{
  std::set<std::string_view> names;
  for (unsigned i = 0; i < static_cast<unsigned>(Drop::count_); ++i) {
    CAPTURE(i);
    CHECK(names.insert(drop_name(static_cast<Drop>(i))).second);
  }
  CHECK(drop_name(Drop::truncated) == "truncated");
  CHECK(drop_name(Drop::fragment_timeout) == "fragment_timeout");
  CHECK(drop_name(Drop::tap_full) == "tap_full");
}

TEST_CASE("each reason is counted by itself")
{
  DropCounters drops;
  drops.count(Drop::bad_checksum);
  drops.count(Drop::bad_checksum, 2);
  CHECK(drops.of(Drop::bad_checksum) == 3);
  CHECK(drops.of(Drop::bad_option) == 0);
}
