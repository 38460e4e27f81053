#include "base/quoted.hh"

#include <doctest/doctest.h>

using namespace slirpstack;

TEST_CASE("quoting keeps a text on one line")
{
  CHECK(quoted("plain") == "\"plain\"");
  CHECK(quoted("a\"b\\c") == "\"a\\\"b\\\\c\"");
  CHECK(quoted("\n\t\r\x1b\x7f") == "\"\\n\\t\\r\\x1b\\x7f\"");
  CHECK(quoted("\u00e9") == "\"\u00e9\"");
  CHECK(escaped("a\nb") == "a\\nb");
}
