#include "face/slnat.hh"

#include "base/error.hh"
#include "face/map_settings.hh"
#include "face/native_command_line.hh"
#include "face/options.hh"

#include <array>
#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace slirpstack;

namespace {

Config parse(std::vector<const char*> words)
{
  words.insert(words.begin(), "/usr/bin/slnat");
  return parse_command_line(static_cast<int>(words.size()), words.data());
}

} // namespace

TEST_CASE("the words of slnat become requests about the prefix map")
{
  struct Row
  {
    std::vector<const char*> words;
    const char* request;
  };
  const std::array rows{
    Row{{"status"}, " map status"},
    Row{{"clear-all"}, " map drop --all"},
    Row{{"add-batch", "FILE"}, " map batch FILE"},
    Row{{"del-batch", "FILE"}, " map batch --delete FILE"},
    Row{{"drop", "--all"}, " map drop --all"},
    Row{{"drop", "eth0"}, " map drop eth0"},
    Row{{"eth0", "add", "fd00::/64", "2001:db8::/64"}, " map add eth0 fd00::/64 2001:db8::/64"},
    Row{{"eth0", "add", "fd00::/64", "2001:db8::/64", "neutral"},
        " map add eth0 fd00::/64 2001:db8::/64 neutral"},
    Row{{"eth0", "add", "fd00::/64", "2001:db8::/64", "open"},
        " map add eth0 fd00::/64 2001:db8::/64 open"},
    Row{{"eth0", "add", "fd00::/64", "2001:db8::/64", "neutral", "open"},
        " map add eth0 fd00::/64 2001:db8::/64 neutral open"},
    Row{{"eth0", "del", "fd00::/64"}, " map del eth0 fd00::/64"},
    Row{{"eth0", "list"}, " map list eth0"},
  };
  for (const Row& row : rows) {
    const Config config = parse(row.words);
    CHECK(config.action == Config::Action::control);
    CHECK(fmt::format("{}", fmt::join(config.command, " ")) == row.request);
  }
}

TEST_CASE("slnat explains itself, and refuses other words in its own name")
{
  CHECK(parse({}).action == Config::Action::help);
  CHECK(parse({"help"}).action == Config::Action::help);
  CHECK(slnat_usage().find("slnat IF add INTERNAL/LEN EXTERNAL/LEN") != std::string::npos);
  for (const std::vector<const char*>& words :
       {std::vector{"dance"},
        {"eth0", "add"},
        {"eth0", "list", "more"},
        {"status", "now"},
        {"eth0", "add", "fd00::/64", "2001:db8::/64", "open", "neutral"}}) {
    CHECK_THROWS_AS(parse(words), UsageError);
  }
  CHECK(program_name(manner_of("slnat")) == "slnat");
}

TEST_CASE("options about mappings")
{
  const std::vector<std::string> arguments{"-map",
                                           "eth0 fd00:1::7/64 2001:db8:2::/64",
                                           "-map",
                                           "eth1 fd00::/48 2001:db8:3::/48 neutral",
                                           "-map",
                                           "eth2 fd00::/48 2001:db8:4::/48 open",
                                           "-map-file",
                                           "FILE",
                                           "-control-restricted",
                                           "/run/a.sock:fd00:1::/64,fd00:2::/64",
                                           "-control-restricted",
                                           "/run/b.sock:fd00:1::/64=2001:db8:2::/64",
                                           "-control-restricted",
                                           "/run/c.sock:fd00:1::/64=2001:db8:2::/64,open",
                                           "1"};
  const Config config = parse_command_line(arguments);
  REQUIRE(config.mapping.edits.size() == 3);
  CHECK(config.mapping.edits[0].mapping.to_string() == "eth0 fd00:1::/64 -> 2001:db8:2::/64");
  CHECK(config.mapping.edits[1].mapping.neutral);
  CHECK_FALSE(config.mapping.edits[1].mapping.open);
  CHECK(config.mapping.edits[2].mapping.open);
  CHECK(config.mapping.file == "FILE");
  REQUIRE(config.control.restricted.size() == 3);
  CHECK(config.control.restricted[0].internal.size() == 2);
  CHECK(config.control.restricted[0].external.empty());
  CHECK(config.control.restricted[1].path == "/run/b.sock");
  CHECK(config.control.restricted[1].external
        == std::vector{Prefix::parse("2001:db8:2::/64").value()});
  CHECK_FALSE(config.control.restricted[1].may_open);
  CHECK(config.control.restricted[2].external == config.control.restricted[1].external);
  CHECK(config.control.restricted[2].may_open);
}

TEST_CASE("a restricted socket without a path, a prefix or a length is refused")
{
  for (const char* text : {"",
                           "/run/a.sock",
                           ":fd00::/64",
                           "/run/a.sock:",
                           "/run/a.sock:fd00::",
                           "/run/a.sock:fd00::/64,",
                           "/run/a.sock:fd00::/64=",
                           "/run/a.sock:fd00::/64,open",
                           "/run/a.sock:fd00::/64=open",
                           "/run/a.sock:fd00::/64=,open",
                           "/run/a.sock:fd00::/64=2001:db8::/64,open,open",
                           "/run/a.sock:fd00::/64=10.0.0.0/8"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_restricted_socket(text), BadValue);
  }
}
