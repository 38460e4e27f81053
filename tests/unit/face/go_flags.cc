#include "face/go_flags.hh"

#include <array>
#include <doctest/doctest.h>
#include <initializer_list>

using namespace slirpstack;

namespace {

using Words = std::vector<std::string>;

constexpr std::array OPTIONS{
  Option{"Group", "netns", "PATH", "a path"},
  Option{"Group", "quiet", "", "a boolean"},
  Option{.group = "Group", .name = "forward", .placeholder = "SPEC", .summary = "", .letter = 'L'},
};

GoArguments split(const Words& words)
{
  return split_go_arguments(words, OPTIONS);
}

std::string error_of(const Words& words)
{
  try {
    static_cast<void>(split(words));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

} // namespace

TEST_CASE("a flag has one dash or two, its value after '=' or next")
{
  for (const Words& words :
       {Words{"-netns", "a"}, Words{"--netns", "a"}, Words{"-netns=a"}, Words{"--netns=a"}}) {
    CAPTURE(words.front());
    const GoArguments given = split(words);
    CHECK(given.flags == Words{"--netns=a"});
    CHECK(given.operands.empty());
  }
}

TEST_CASE("a value is taken as it is")
{
  CHECK(split({"-netns", "-quiet"}).flags == Words{"--netns=-quiet"});
  CHECK(split({"-netns", "--"}).flags == Words{"--netns=--"});
  CHECK(split({"-netns=a=b,c d"}).flags == Words{"--netns=a=b,c d"});
  CHECK(split({"-netns", ""}).flags == Words{"--netns="});
  CHECK(split({"-netns="}).flags == Words{"--netns="});
}

TEST_CASE("where '--' ends the flags, a flag before it has no value")
{
  const auto error_of_line = [](const Words& words) {
    try {
      static_cast<void>(split_go_arguments(words, OPTIONS, DoubleDash::end));
    } catch (const UsageError& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  CHECK(error_of_line({"-netns", "--", "true"}) == "flag needs an argument: -netns");
  CHECK(error_of_line({"-netns=--", "--", "true"}) == "no error");
  CHECK(error_of_line({"-netns", "-", "--"}) == "no error");
}

TEST_CASE("each flag is remembered as it was typed")
{
  CHECK(split({"-L", "1", "--forward=2", "-quiet"}).typed == Words{"L", "forward", "quiet"});
}

TEST_CASE("a boolean takes a value only after '='")
{
  CHECK(split({"-quiet"}).flags == Words{"--quiet=true"});
  for (const char* yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    CAPTURE(yes);
    CHECK(split({std::string("-quiet=") + yes}).flags == Words{"--quiet=true"});
  }
  for (const char* no : {"0", "f", "F", "false", "FALSE", "False"}) {
    CAPTURE(no);
    CHECK(split({std::string("--quiet=") + no}).flags == Words{"--quiet=false"});
  }
  const GoArguments given = split({"-quiet", "false"});
  CHECK(given.flags == Words{"--quiet=true"});
  CHECK(given.operands == Words{"false"});
}

TEST_CASE("the first operand ends the flags")
{
  const GoArguments given = split({"-quiet", "ls", "-l", "-netns", "--"});
  CHECK(given.flags == Words{"--quiet=true"});
  CHECK(given.operands == Words{"ls", "-l", "-netns", "--"});
  CHECK(split({"-", "-quiet"}).operands == Words{"-", "-quiet"});
  CHECK(split({"", "-quiet"}).operands == Words{"", "-quiet"});
}

TEST_CASE("two dashes end the flags and go away")
{
  const GoArguments given = split({"-quiet", "--", "-quiet", "--"});
  CHECK(given.flags == Words{"--quiet=true"});
  CHECK(given.operands == Words{"-quiet", "--"});
}

TEST_CASE("a letter stands for its name, and only alone")
{
  CHECK(split({"-L", "8080"}).flags == Words{"--forward=8080"});
  CHECK(split({"--L=8080"}).flags == Words{"--forward=8080"});
  CHECK(error_of({"-L8080"}) == "flag provided but not defined: -L8080");
  CHECK(error_of({std::string("-\0", 2)}) == "flag provided but not defined: -\\x00");
}

TEST_CASE("mistakes are told in Go's words")
{
  CHECK(error_of({"-x"}) == "flag provided but not defined: -x");
  CHECK(error_of({"--x=1"}) == "flag provided but not defined: -x");
  CHECK(error_of({"-netns"}) == "flag needs an argument: -netns");
  CHECK(error_of({"-L"}) == "flag needs an argument: -L");
  CHECK(error_of({"-quiet=yes"})
        == "invalid boolean value \"yes\" for -quiet: must be true or false");
  CHECK(error_of({"-quiet="}) == "invalid boolean value \"\" for -quiet: must be true or false");
  CHECK(error_of({"---netns"}) == "bad flag syntax: ---netns");
  CHECK(error_of({"-=a"}) == "bad flag syntax: -=a");
  CHECK(error_of({"--=a"}) == "bad flag syntax: --=a");
  CHECK(std::string(invalid_value("x", "mtu", "parse error").what())
        == "invalid value \"x\" for flag -mtu: parse error");
}

TEST_CASE("a slip of the finger finds the option that was meant")
{
  for (const char* typed : {"netn", "nets", "netnss", "nteNs", "netsn", "metns"}) {
    CAPTURE(typed);
    const auto nearest = nearest_name(typed, OPTIONS);
    CHECK((nearest == "netns") == (std::string_view(typed) != "nteNs"));
  }
  CHECK(nearest_name("forwrad", OPTIONS) == "forward");
  CHECK_FALSE(nearest_name("L", OPTIONS));
  CHECK_FALSE(nearest_name("", OPTIONS));
  CHECK_FALSE(nearest_name("namespace", OPTIONS));
  CHECK_FALSE(nearest_name(std::string(100'000, 'n'), OPTIONS));
}
