#include "flow/map_edit.hh"

#include <array>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fstream>
#include <sstream>

using namespace slirpstack;

namespace {

constexpr HashSecret SECRET{1, 2};

std::string listing(const PrefixMap& map)
{
  std::string text;
  map.for_each([&](const PrefixMapping& mapping) { text += mapping.to_string() + '\n'; });
  return text;
}

/// Applies a batch; the error's name and text, or nothing.
std::string applied(PrefixMap& map, std::string_view text, const MapScope& scope = {})
{
  try {
    apply_edits(map, parse_map_batch(text), scope);
  } catch (const MappingError& error) {
    return fmt::format("{} {}", error.code_name(), error.what());
  }
  return {};
}

} // namespace

TEST_CASE("a batch adds, removes and drops, in order")
{
  PrefixMap map(SECRET);
  CHECK(applied(map,
                "# two sites\r\n"
                "add eth0 2001:db8:1::/64 2001:db8:2::/64   # the first\n"
                "\n"
                "\tadd eth1 fd00::7/48 2001:db8:3::/48 neutral\n"
                "add eth2 fd00::/48 2001:db8:4::/48")
          .empty());
  CHECK(listing(map)
        == "eth0 2001:db8:1::/64 -> 2001:db8:2::/64\n"
           "eth1 fd00::/48 -> 2001:db8:3::/48 neutral\n"
           "eth2 fd00::/48 -> 2001:db8:4::/48\n");
  CHECK(applied(map, "del eth0 2001:db8:1::5/64\ndrop eth1\ndrop eth9\n").empty());
  CHECK(listing(map) == "eth2 fd00::/48 -> 2001:db8:4::/48\n");
  // What a batch has made room for it may fill.
  CHECK(applied(map, "drop --all\nadd eth0 fd00::/48 2001:db8:4::/48\n").empty());
  CHECK(map.size() == 1);
}

TEST_CASE("the example is a batch that can be applied")
{
  std::ifstream file(SLIRPSTACK_EXAMPLE_BATCH);
  REQUIRE(file);
  std::stringstream text;
  text << file.rdbuf();
  PrefixMap map(SECRET);
  CHECK(applied(map, text.str()).empty());
  CHECK(map.size() == 4);
}

TEST_CASE("a batch with a mistake changes nothing, and says where the mistake is")
{
  struct Row
  {
    const char* text;
    const char* failure;
  };
  static constexpr std::array ROWS{
    Row{"add eth0 fd00:1::/64 2001:db8:8::/64\nremove eth0\n",
        R"(EINVAL line 2, column 1: "remove": must be add, del or drop)"},
    Row{"add\n",
        "EINVAL line 1, column 4: an interface is missing: add INTERFACE INTERNAL/LENGTH "
        "EXTERNAL/LENGTH [neutral] [open]"},
    Row{"add eth0:1 fd00::/64 2001:db8::/64\n",
        "EINVAL line 1, column 5: interface \"eth0:1\": must be a name of 1 to 15 characters, "
        "without '/', ':', '%' or blanks, that does not begin with '-'"},
    Row{"add eth0 10.0.0.0/8 2001:db8::/64\n",
        "EINVAL line 1, column 10: internal prefix \"10.0.0.0/8\": must be IPv6 with a length from "
        "0 to 128, as in 2001:db8:1::/64"},
    Row{"add eth0 fd00::/64 2001:db8::\n",
        "EINVAL line 1, column 20: external prefix \"2001:db8::\": must be IPv6 with a length from "
        "0 to 128, as in 2001:db8:1::/64"},
    Row{"add eth0 fd00::/64 2001:db8::/64 npt\n",
        R"(EINVAL line 1, column 34: "npt": only "neutral", then "open" may follow the prefixes)"},
    Row{"add eth0 fd00::/64 2001:db8::/64 open neutral\n",
        R"(EINVAL line 1, column 39: "neutral": nothing may follow here)"},
    Row{"add eth0 fd00::/64 2001:db8::/64 neutral npt\n",
        R"(EINVAL line 1, column 42: "npt": only "neutral", then "open" may follow the prefixes)"},
    Row{"drop --all\nadd eth0 fd00::/64 2001:db8::/64 neutral open\n",
        "EOPNOTSUPP line 2, column 42: eth0 fd00::/64 -> 2001:db8::/64 neutral open: the kernel "
        "alone carries an open mapping, which takes -accel"},
    Row{"del eth0 fd00::/64 2001:db8::/64\n",
        R"(EINVAL line 1, column 20: "2001:db8::/64": nothing may follow here)"},
    Row{"drop -a\n",
        "EINVAL line 1, column 6: interface \"-a\": must be a name of 1 to 15 characters, without "
        "'/', ':', '%' or blanks, that does not begin with '-'"},
    Row{"add eth0 fd00:1::/64 2001:db8:8::/64\ndel eth0 fd00:2::/64\n",
        "ENOENT line 2, column 10: fd00:2::/64 is not mapped on eth0"},
    Row{"drop --all\nadd eth0 fd00:1::/64 2001:db8:2::/64\nadd eth0 fd00:2::/64 2001:db8:2::/64\n",
        "EEXIST line 3, column 22: 2001:db8:2::/64 is mapped already: eth0 fd00:1::/64 -> "
        "2001:db8:2::/64"},
    Row{"add eth0 fd00:1::/64 2001:db8::/48\n",
        "EINVAL line 1, column 22: fd00:1::/64 and 2001:db8::/48: both prefixes must be equally "
        "long"},
  };
  PrefixMap map(SECRET);
  REQUIRE(
    applied(map, "add eth0 2001:db8:1::/64 2001:db8:2::/64\nadd eth1 fd00::/8 fc00::/8\n").empty());
  const std::string before = listing(map);
  for (const Row& row : ROWS) {
    CAPTURE(row.text);
    CHECK(applied(map, row.text) == row.failure);
    CHECK(listing(map) == before);
  }
}

TEST_CASE("where there is who carries them, mappings may be open")
{
  PrefixMap map(SECRET);
  map.allow_open();
  CHECK(applied(map,
                "add eth0 fd00:1::/64 2001:db8:1::/64 open\n"
                "add eth0 fd00:2::/64 2001:db8:2::/64 neutral open\n"
                "add eth0 fd00:3::/64 2001:db8:3::/64 neutral\n")
          .empty());
  CHECK(listing(map)
        == "eth0 fd00:1::/64 -> 2001:db8:1::/64 open\n"
           "eth0 fd00:2::/64 -> 2001:db8:2::/64 neutral open\n"
           "eth0 fd00:3::/64 -> 2001:db8:3::/64 neutral\n");
  const MapScope closed({Prefix::parse("fd00:9::/48").value()},
                        {Prefix::parse("2001:db8:9::/48").value()});
  CHECK(applied(map, "add eth0 fd00:9::/64 2001:db8:9::/64 open\n", closed)
        == "EPERM line 1, column 38: open mappings are not yours to make");
  const MapScope opening({Prefix::parse("fd00:9::/48").value()},
                         {Prefix::parse("2001:db8:9::/48").value()},
                         /*may_open=*/true);
  CHECK(applied(map, "add eth0 fd00:9::/64 2001:db8:9::/64 open\n", opening).empty());
}

TEST_CASE("a scope lets through what it reaches, and only that")
{
  PrefixMap map(SECRET);
  REQUIRE(applied(map,
                  "add eth0 fd00:1:0:1::/64 2001:db8:9::/64\n"
                  "add eth0 fd00:2::/64 2001:db8:2::/64\n")
            .empty());
  const MapScope scope({Prefix::parse("fd00:1::/48").value()},
                       {Prefix::parse("2001:db8:1::/48").value()});
  CHECK(applied(map, "add eth0 fd00:1:0:2::/64 2001:db8:1:2::/64\n", scope).empty());
  CHECK(applied(map, "add eth0 fd00:2::/72 2001:db8:1::/72\n", scope)
        == "EPERM line 1, column 10: fd00:2::/72 is not yours to map");
  CHECK(applied(map, "add eth0 fd00:1:0:3::/64 2001:db8:2:1::/64\n", scope)
        == "EPERM line 1, column 26: 2001:db8:2:1::/64 is not yours to map");
  CHECK(applied(map, "del eth0 fd00:1:0:1::/64\n", scope)
        == "EPERM line 1, column 10: fd00:1:0:1::/64 is not yours to map");
  // Nor does it hear whether there is such a mapping.
  CHECK(applied(map, "del eth0 fd00:3::/64\n", scope)
        == "EPERM line 1, column 10: fd00:3::/64 is not yours to map");
  CHECK(applied(map, "drop --all\n", scope).empty());
  CHECK(listing(map)
        == "eth0 fd00:1:0:1::/64 -> 2001:db8:9::/64\n"
           "eth0 fd00:2::/64 -> 2001:db8:2::/64\n");
}

TEST_CASE("a scope has room for a thousand mappings")
{
  PrefixMap map(SECRET);
  const MapScope scope({Prefix::parse("fd00::/16").value()}, {Prefix::parse("2001::/16").value()});
  std::string batch;
  for (std::size_t number = 0; number < MapScope::MAX_MAPPINGS; ++number) {
    batch += fmt::format("add eth0 fd00:{0:x}::/32 2001:{0:x}::/32\n", number);
  }
  CHECK(applied(map, batch, scope).empty());
  CHECK(applied(map, "add eth0 fd00:ffff::/32 2001:ffff::/32\n", scope)
        == "ENOSPC no space: you may have 1000 mappings");
  CHECK(map.size() == MapScope::MAX_MAPPINGS);
}
