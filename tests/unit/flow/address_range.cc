#include "flow/address_range.hh"

#include "base/error.hh"

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace slirpstack;

namespace {

std::string read_back(std::string_view text)
{
  std::string all;
  for (const AddressRange& range : parse_address_ranges(text)) {
    all += fmt::format("{}{}", all.empty() ? "" : ",", range.to_string());
  }
  return all;
}

std::string error_of(std::string_view text)
{
  try {
    static_cast<void>(parse_address_ranges(text));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no error";
}

} // namespace

TEST_CASE("addresses, ranges and networks are read, and written in their shortest form")
{
  CHECK(read_back("192.0.2.1") == "192.0.2.1");
  CHECK(read_back("192.0.2.7-192.0.2.7") == "192.0.2.7");
  CHECK(read_back("192.0.2.0/30,198.51.100.1-198.51.100.9,203.0.113.5")
        == "192.0.2.0-192.0.2.3,198.51.100.1-198.51.100.9,203.0.113.5");
  CHECK(parse_address_ranges("0.0.0.0/0").front().size() == std::uint64_t{1} << 32U);
}

TEST_CASE("a range contains what lies between its ends")
{
  const AddressRange range = parse_address_ranges("192.0.2.8-192.0.2.15").front();
  CHECK(range.size() == 8);
  CHECK(range.contains(IpAddress::parse("192.0.2.8").value()));
  CHECK(range.contains(IpAddress::parse("192.0.2.15").value()));
  CHECK_FALSE(range.contains(IpAddress::parse("192.0.2.7").value()));
  CHECK_FALSE(range.contains(IpAddress::parse("192.0.2.16").value()));
  CHECK_FALSE(range.contains(IpAddress::parse("::c000:208").value()));
}

TEST_CASE("what is no range of addresses is named")
{
  for (const char* text : {"", "x", "192.0.2.1,", "192.0.2.1-", "192.0.2", "::1", "fd00::/64"}) {
    CAPTURE(text);
    CHECK(error_of(text).starts_with("must be IPv4 addresses such as 192.0.2.1, "));
  }
  CHECK(error_of("192.0.2.1/24") == "must be a network address: 192.0.2.0/24");
  CHECK(error_of("192.0.2.9-192.0.2.1")
        == R"(must not end before it begins, as "192.0.2.9-192.0.2.1" does)");
  CHECK(error_of("192.0.2.0/24,192.0.2.3")
        == "must name each address once, but 192.0.2.0-192.0.2.255 and 192.0.2.3 overlap");
}
