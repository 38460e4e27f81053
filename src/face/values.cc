#include "face/values.hh"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <limits>
#include <optional>

namespace slirpstack {

namespace {

/// The number at the front of `text`, which loses it. Nothing if there is none or it overflows.
std::optional<std::uint64_t> take_integer(std::string_view& text)
{
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) {
    return std::nullopt;
  }
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

/// The decimal digits at the front of `text`, which loses them.
std::string_view take_digits(std::string_view& text)
{
  const std::string_view digits
    = text.substr(0, std::min(text.find_first_not_of("0123456789"), text.size()));
  text.remove_prefix(digits.size());
  return digits;
}

/// One number of a duration: `1`, `1.5`, `.5`, `1.`.
struct Decimal
{
  std::uint64_t whole = 0;
  double fraction = 0;
};

std::optional<Decimal> take_decimal(std::string_view& text)
{
  Decimal value;
  std::string_view whole = take_digits(text);
  const bool has_point = text.starts_with('.');
  text.remove_prefix(has_point ? 1 : 0);
  const std::string_view fraction = has_point ? take_digits(text) : std::string_view();
  if (whole.empty() && fraction.empty()) {
    return std::nullopt;
  }
  double place = 1;
  for (const char digit : fraction) {
    place /= 10;
    value.fraction += place * (digit - '0');
  }
  if (!whole.empty()) {
    const std::optional<std::uint64_t> number = take_integer(whole);
    if (!number) {
      return std::nullopt;
    }
    value.whole = *number;
  }
  return value;
}

struct Unit
{
  std::string_view name;
  std::uint64_t nanoseconds;
};

// Longer names first: "ms" also begins with "m".
constexpr std::array<Unit, 8> DURATION_UNITS{{{"ns", 1},
                                              {"us", 1'000},
                                              {"\u00b5s", 1'000}, // micro sign
                                              {"\u03bcs", 1'000}, // Greek mu
                                              {"ms", 1'000'000},
                                              {"s", 1'000'000'000},
                                              {"m", 60'000'000'000},
                                              {"h", 3'600'000'000'000}}};

/// The nanoseconds in one of the unit whose name `text` begins with, which loses it.
std::optional<std::uint64_t> take_unit(std::string_view& text)
{
  for (const Unit& unit : DURATION_UNITS) {
    if (text.starts_with(unit.name)) {
      text.remove_prefix(unit.name.size());
      return unit.nanoseconds;
    }
  }
  return std::nullopt;
}

BadValue not_a_duration()
{
  return BadValue("must be a duration such as 90s, 5m or 1h30m");
}

unsigned size_shift(char suffix)
{
  switch (suffix) {
    case 'K':
      return 10;
    case 'M':
      return 20;
    case 'G':
      return 30;
    default:
      return 0;
  }
}

std::string as_size(std::uint64_t bytes)
{
  for (const char suffix : {'G', 'M', 'K'}) {
    const std::uint64_t one = std::uint64_t{1} << size_shift(suffix);
    if (bytes != 0 && bytes % one == 0) {
      return fmt::format("{}{}", bytes / one, suffix);
    }
  }
  return fmt::format("{}", bytes);
}

std::string_view family_name(Family family)
{
  return family == Family::ipv4 ? "IPv4" : "IPv6";
}

bool overlap(const Prefix& one, const Prefix& other)
{
  return one.contains(other.address()) || other.contains(one.address());
}

/// Whether an address of `network` means something else to every host: RFC 6890, RFC 4291.
bool touches_special(const Prefix& network)
{
  static const std::array<Prefix, 7> SPECIAL{
    Prefix(IpAddress::ipv4(0x00000000), 8),
    Prefix(IpAddress::ipv4(0x7f000000), 8),
    Prefix(IpAddress::ipv4(0xa9fe0000), 16), // link-local, with cloud metadata services
    Prefix(IpAddress::ipv4(0xe0000000), 3),
    Prefix(IpAddress::any(Family::ipv6), 80), // loopback and every embedded IPv4 address
    Prefix::parse("fe80::/10").value(),
    Prefix::parse("ff00::/8").value(),
  };
  return std::ranges::any_of(SPECIAL,
                             [&](const Prefix& special) { return overlap(network, special); });
}

} // namespace

std::uint64_t parse_number(std::string_view text, std::uint64_t least, std::uint64_t most)
{
  const std::optional<std::uint64_t> value = take_integer(text);
  if (!value || !text.empty() || *value < least || *value > most) {
    throw BadValue(fmt::format("must be a number from {} to {}", least, most));
  }
  return *value;
}

std::chrono::nanoseconds parse_duration(std::string_view text)
{
  constexpr std::uint64_t MOST = std::numeric_limits<std::int64_t>::max();
  std::uint64_t total = 0;
  bool bare = true; // a lone number may go without a unit
  if (text.empty()) {
    throw not_a_duration();
  }
  while (!text.empty()) {
    const std::optional<Decimal> value = take_decimal(text);
    const std::optional<std::uint64_t> unit
      = bare && text.empty() ? std::optional<std::uint64_t>(1'000'000'000) : take_unit(text);
    if (!value || !unit || value->whole > (MOST - total) / *unit) {
      throw not_a_duration();
    }
    const double part = value->fraction * static_cast<double>(*unit);
    // NOLINTNEXTLINE(bugprone-incorrect-roundings): not negative; libm would have to be loaded
    total += value->whole * *unit + static_cast<std::uint64_t>(part + 0.5);
    if (total > MOST) {
      throw not_a_duration();
    }
    bare = false;
  }
  return std::chrono::nanoseconds(static_cast<std::int64_t>(total));
}

std::uint64_t parse_size(std::string_view text, std::uint64_t least, std::uint64_t most)
{
  const auto reason = [&] {
    return BadValue(fmt::format(
      "must be bytes from {} to {}, with K, M or G for 1024s", as_size(least), as_size(most)));
  };
  const std::optional<std::uint64_t> value = take_integer(text);
  const unsigned shift = text.size() == 1 ? size_shift(text.front()) : 0;
  if (!value || text.size() != (shift == 0 ? 0U : 1U)) {
    throw reason();
  }
  if (*value > std::numeric_limits<std::uint64_t>::max() >> shift || *value << shift < least
      || *value << shift > most) {
    throw reason();
  }
  return *value << shift;
}

IpAddress parse_source(std::string_view text, Family family)
{
  const std::optional<IpAddress> address = IpAddress::parse(text);
  if (!address || address->family() != family) {
    throw BadValue(fmt::format("must be an {} address", family_name(family)));
  }
  if (address->is_unspecified() || address->is_multicast()) {
    throw BadValue("must be one of this host's own addresses");
  }
  return *address;
}

IpAddress parse_dns_address(std::string_view text)
{
  const std::optional<IpAddress> address = IpAddress::parse(text);
  if (!address
      || touches_special(Prefix(*address, static_cast<unsigned>(address->bytes().size() * 8)))) {
    throw BadValue("must be an ordinary unicast address such as 10.0.2.3 or fd00::3");
  }
  return *address;
}

Prefix parse_network(std::string_view text, Family family)
{
  const bool ipv4 = family == Family::ipv4;
  // The guest's .100 must fit, and ::100 for IPv6.
  const unsigned longest = ipv4 ? 25 : 119;
  const std::string_view example = ipv4 ? "10.0.2.0/24" : "fd00::/64";
  const std::optional<Prefix> prefix = Prefix::parse(text);
  if (!prefix || prefix->address().family() != family || text.find('/') == std::string_view::npos) {
    throw BadValue(fmt::format("must be an {} network such as {}", family_name(family), example));
  }
  if (prefix->length_bits() < 1 || prefix->length_bits() > longest) {
    throw BadValue(fmt::format("the prefix length must be from 1 to {}", longest));
  }
  if (prefix->network() != prefix->address()) {
    throw BadValue(fmt::format(
      "must be a network address: {}/{}", prefix->network().to_string(), prefix->length_bits()));
  }
  if (touches_special(*prefix)) {
    throw BadValue(fmt::format("must be an ordinary unicast network such as {}", example));
  }
  return *prefix;
}

std::string parse_interface(std::string_view text)
{
  constexpr std::size_t LONGEST = 15; // IFNAMSIZ with its final NUL
  const bool literal = std::ranges::none_of(text, [](char character) {
    // TUNSETIFF takes '%' for the place of a number.
    return std::string_view("/:% \t\n\v\f\r").find(character) != std::string_view::npos;
  });
  if (text.empty() || text.size() > LONGEST || text == "." || text == ".." || !literal) {
    throw BadValue("must be an interface name of 1 to 15 characters, without '/', ':', '%' or "
                   "blanks");
  }
  return std::string(text);
}

std::string parse_control_path(std::string_view text)
{
  if (text.starts_with('@')) {
    throw BadValue("must be a file's path; an abstract name has no permissions");
  }
  return std::string(text);
}

} // namespace slirpstack
