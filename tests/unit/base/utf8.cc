#include "base/utf8.hh"

#include <doctest/doctest.h>
#include <string>

using namespace slirpstack;

namespace {

std::optional<char32_t> only_character(std::string_view text)
{
  const auto character = take_utf8(text);
  return text.empty() ? character : std::nullopt;
}

} // namespace

TEST_CASE("a character of each length is read")
{
  CHECK(only_character(std::string_view("\0", 1)) == U'\0');
  CHECK(only_character("a") == U'a');
  CHECK(only_character("\u0080") == U'\u0080');
  CHECK(only_character("\u00e9") == U'\u00e9');
  CHECK(only_character("\u0800") == U'\u0800');
  CHECK(only_character("\uffff") == U'\uffff');
  CHECK(only_character("\U00010000") == U'\U00010000');
  CHECK(only_character("\U0010ffff") == U'\U0010ffff');
}

TEST_CASE("characters are taken one after the other")
{
  std::string_view text = "a\u00e9\U0001f427.";
  CHECK(take_utf8(text) == U'a');
  CHECK(take_utf8(text) == U'\u00e9');
  CHECK(take_utf8(text) == U'\U0001f427');
  CHECK(text == ".");
}

TEST_CASE("what is no UTF-8 is refused")
{
  for (const std::string_view text : {
         std::string_view(),
         std::string_view("\x80"),
         std::string_view("\xbf"),
         std::string_view("\xc3"),
         std::string_view("\xc3("),
         std::string_view("\xc0\x80"),
         std::string_view("\xc1\xbf"),
         std::string_view("\xe0\x9f\xbf"),
         std::string_view("\xe2\x82"),
         std::string_view("\xed\xa0\x80"),
         std::string_view("\xed\xbf\xbf"),
         std::string_view("\xf0\x8f\xbf\xbf"),
         std::string_view("\xf4\x90\x80\x80"),
         std::string_view("\xf8\x88\x80\x80\x80"),
         std::string_view("\xff"),
       }) {
    CAPTURE(std::string(text));
    CHECK_FALSE(only_character(text));
  }
}
