#include "guest/id_map.hh"

#include <doctest/doctest.h>

using namespace slirpstack;

TEST_CASE("root maps every id that it has itself, under the same number")
{
  CHECK(identity_map("         0          0 4294967295\n") == "0 0 4294967295\n");
  CHECK(identity_map("0 100000 1000\n1000 1000 1\n1001 101001 64535\n")
        == "0 0 1000\n1000 1000 1\n1001 1001 64535\n");
}

TEST_CASE("a map that cannot be read maps nothing")
{
  CHECK(identity_map("").empty());
  CHECK(identity_map("0 0\nx y z\n").empty());
}

TEST_CASE("a user is mapped to root alone")
{
  CHECK(root_map(1000) == "0 1000 1\n");
}
