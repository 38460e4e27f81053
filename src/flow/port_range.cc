#include "flow/port_range.hh"

#include "base/error.hh"
#include "base/quoted.hh"

#include <fmt/format.h>

namespace slirpstack {

namespace {

UsageError parse_error(std::string_view text, std::string_view reason)
{
  return UsageError(fmt::format("strconv.ParseUint: parsing {}: {}", quoted(text), reason));
}

} // namespace

std::string PortRange::to_string() const
{
  return first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
}

std::uint16_t parse_port_text(std::string_view text)
{
  if (text.empty()) {
    throw parse_error(text, "invalid syntax");
  }
  unsigned value = 0;
  // As in Go, the first thing that is wrong from the left is told: 65536x is out of range.
  for (const char digit : text) {
    if (digit < '0' || digit > '9') {
      throw parse_error(text, "invalid syntax");
    }
    value = value * 10 + static_cast<unsigned>(digit - '0');
    if (value > 0xffff) {
      throw parse_error(text, "value out of range");
    }
  }
  return static_cast<std::uint16_t>(value);
}

PortRange parse_port_range(std::string_view text)
{
  const std::size_t dash = text.find('-');
  const std::uint16_t first = parse_port_text(text.substr(0, dash));
  return {first, dash == std::string_view::npos ? first : parse_port_text(text.substr(dash + 1))};
}

} // namespace slirpstack
