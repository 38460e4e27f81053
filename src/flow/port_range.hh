#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace slirpstack {

/// Ports from `first` to `last`, both included.
struct PortRange
{
  std::uint16_t first = 0;
  std::uint16_t last = 0;

  [[nodiscard]] std::size_t size() const { return std::size_t{last} - first + 1; }
  [[nodiscard]] bool contains(std::uint16_t port) const { return port >= first && port <= last; }
  /// `80`, `8000-8010`.
  [[nodiscard]] std::string to_string() const;
  auto operator<=>(const PortRange&) const = default;
};

/// A decimal number up to 65535. Throws GrammarError.
[[nodiscard]] std::uint16_t parse_port_text(std::string_view text);

/// `PORT` or `PORT-PORT`, likewise. Which of the two is greater is left to the caller.
[[nodiscard]] PortRange parse_port_range(std::string_view text);

} // namespace slirpstack
