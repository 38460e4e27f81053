#include "base/line.hh"

#include <doctest/doctest.h>
#include <string>
#include <vector>

using namespace slirpstack;

namespace {

std::vector<std::string> lines_of(std::string_view text)
{
  std::vector<std::string> lines;
  while (!text.empty()) {
    lines.emplace_back(take_line(text));
  }
  return lines;
}

using Lines = std::vector<std::string>;

} // namespace

TEST_CASE("lines are taken one after the other, empty ones too")
{
  CHECK(lines_of("one\n\ntwo\n") == Lines{"one", "", "two"});
  CHECK(lines_of("\n") == Lines{""});
  CHECK(lines_of("").empty());
}

TEST_CASE("the last line needs no end")
{
  CHECK(lines_of("one\ntwo") == Lines{"one", "two"});
}

TEST_CASE("a carriage return belongs to the end of its line, and only there")
{
  CHECK(lines_of("one\r\ntwo\r") == Lines{"one", "two"});
  CHECK(lines_of("o\rne\r\r\n\r\n") == Lines{"o\rne\r", ""});
}
