#include "flow/rule_limit.hh"

#include <algorithm>
#include <array>
#include <charconv>

namespace slirpstack {

namespace {

constexpr std::array<LimitOption, 4> LIMITS{{
  {"rate",
   &RuleLimits::bytes_per_second,
   std::uint64_t{1} << 50U,
   true,
   true,
   "bytes a second from 1 to 1048576G, with K, M or G for 1024s"},
  {"new",
   &RuleLimits::new_flows_per_second,
   1'000'000'000,
   false,
   true,
   "a number a second from 1 to 1000000000"},
  {"queries",
   &RuleLimits::queries_per_second,
   1'000'000'000,
   false,
   true,
   "a number a second from 1 to 1000000000"},
  {"flows", &RuleLimits::max_flows, 100'000'000, false, false, "a number from 1 to 100000000"},
}};

/// The power of two that a size's last letter multiplies with.
unsigned size_shift(char letter)
{
  switch (letter) {
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

} // namespace

const LimitOption* LimitOption::find(std::string_view word)
{
  const auto* const found = std::ranges::find(LIMITS, word, &LimitOption::word);
  return found == LIMITS.end() ? nullptr : found;
}

std::optional<std::uint64_t> LimitOption::parse(std::string_view text) const
{
  if (is_rate && text.ends_with("/s")) {
    text.remove_suffix(2);
  }
  const unsigned shift = is_size && !text.empty() ? size_shift(text.back()) : 0;
  text.remove_suffix(shift == 0 ? 0 : 1);
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end || number == 0 || number > most >> shift) {
    return std::nullopt;
  }
  return number << shift;
}

} // namespace slirpstack
