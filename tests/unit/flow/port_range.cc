#include "flow/port_range.hh"

#include "base/error.hh"

#include <doctest/doctest.h>

using namespace slirpstack;

TEST_CASE("a range of ports is read and told as it is typed")
{
  for (const char* text : {"0", "80", "65535", "0-0", "1-65535", "8000-8010"}) {
    CAPTURE(text);
    const PortRange range = parse_port_range(text);
    CHECK(parse_port_range(range.to_string()) == range);
  }
  CHECK(parse_port_range("0-0").to_string() == "0");
  CHECK(parse_port_range("00080") == PortRange{80, 80});
  CHECK(parse_port_range("90-80") == PortRange{90, 80}); // the caller's to judge
  CHECK(parse_port_range("1-65535").size() == 65535);
  CHECK(parse_port_range("80-82").contains(82));
  CHECK_FALSE(parse_port_range("80-82").contains(83));
}

TEST_CASE("every port is read back")
{
  for (unsigned port = 0; port <= 0xffff; ++port) {
    REQUIRE(parse_port_text(std::to_string(port)) == port);
  }
  CHECK_THROWS_WITH_AS(
    static_cast<void>(parse_port_text("65536")), R"("65536" is no port (1-65535))", UsageError);
  CHECK_THROWS_WITH_AS(static_cast<void>(parse_port_range("-5")),
                       R"("-5" is no range of ports such as 8000-8010)",
                       UsageError);
}
