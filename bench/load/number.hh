#pragma once

#include "base/clock.hh"
#include "base/error.hh"

#include <charconv>
#include <fmt/format.h>
#include <string_view>

namespace slirpstack::bench {

/// The whole of `text` as a number that fits the type. Throws UsageError.
template<typename Number>
Number parse_number(std::string_view text)
{
  Number value{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end) {
    throw UsageError(fmt::format("\"{}\" is not a number that fits here", text));
  }
  return value;
}

/// `1.5` is a second and a half. Throws UsageError.
inline Duration parse_seconds(std::string_view text)
{
  const std::chrono::duration<double> seconds(parse_number<double>(text));
  return std::chrono::duration_cast<Duration>(seconds);
}

inline double to_seconds(Duration duration)
{
  return std::chrono::duration<double>(duration).count();
}

} // namespace slirpstack::bench
