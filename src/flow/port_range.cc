#include "flow/port_range.hh"

#include "base/quoted.hh"
#include "flow/grammar_error.hh"

#include <fmt/format.h>
#include <optional>

namespace slirpstack {

namespace {

using Mistake = GrammarError::Mistake;

/// Nothing: `text` is no port, and `mistake` says why.
std::optional<std::uint16_t> read_port(std::string_view text, Mistake& mistake)
{
  mistake = Mistake::no_number;
  if (text.empty()) {
    return std::nullopt;
  }
  unsigned value = 0;
  // The first thing that is wrong from the left counts: 65536x is too large.
  for (const char digit : text) {
    if (digit < '0' || digit > '9') {
      return std::nullopt;
    }
    value = value * 10 + static_cast<unsigned>(digit - '0');
    if (value > 0xffff) {
      mistake = Mistake::number_too_large;
      return std::nullopt;
    }
  }
  return static_cast<std::uint16_t>(value);
}

/// One end of the range `whole`.
std::uint16_t read_end(std::string_view text, std::string_view whole)
{
  Mistake mistake{};
  if (const auto port = read_port(text, mistake)) {
    return *port;
  }
  throw GrammarError(
    mistake, text, fmt::format("{} is no range of ports such as 8000-8010", quoted(whole)));
}

} // namespace

std::string PortRange::to_string() const
{
  return first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last);
}

std::uint16_t parse_port_text(std::string_view text)
{
  Mistake mistake{};
  if (const auto port = read_port(text, mistake)) {
    return *port;
  }
  throw GrammarError(mistake, text, fmt::format("{} is no port (1-65535)", quoted(text)));
}

PortRange parse_port_range(std::string_view text)
{
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) {
    const std::uint16_t port = parse_port_text(text);
    return {port, port};
  }
  return {read_end(text.substr(0, dash), text), read_end(text.substr(dash + 1), text)};
}

} // namespace slirpstack
