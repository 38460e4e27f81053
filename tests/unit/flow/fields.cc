#include "flow/fields.hh"

#include <doctest/doctest.h>

using namespace slirpstack;

using Fields = std::vector<std::string_view>;

TEST_CASE("a separator in brackets separates nothing")
{
  CHECK(split_fields("", ':') == Fields{""});
  CHECK(split_fields("a", ':') == Fields{"a"});
  CHECK(split_fields(":", ':') == Fields{"", ""});
  CHECK(split_fields("[::1]:80", ':') == Fields{"[::1]", "80"});
  CHECK(split_fields("[q@srv-[::1]:53]:80", ':') == Fields{"[q@srv-[::1]:53]", "80"});
  CHECK(split_fields("a,[b,c]", ',') == Fields{"a", "[b,c]"});
}

TEST_CASE("brackets that do not pair are told")
{
  for (const char* text : {"[", "]", "a]", "[a", "][", "[[a]", "[a]]"}) {
    CAPTURE(text);
    CHECK_FALSE(split_fields(text, ':'));
  }
}

TEST_CASE("only the outermost pair of brackets goes")
{
  CHECK(strip_brackets("[::1]") == "::1");
  CHECK(strip_brackets("[q@srv-[::1]:53]") == "q@srv-[::1]:53");
  CHECK(strip_brackets("[]").empty());
  CHECK(strip_brackets("[") == "[");
  CHECK(strip_brackets("[a]b") == "[a]b");
  CHECK(strip_brackets("a") == "a");
}
