#pragma once

#include "flow/forward_spec.hh"

#include <span>
#include <string_view>
#include <vector>

namespace slirpstack {

/// One of the fields that the colons of a forward's spec make, without its brackets. `unix:PATH`
/// is a single one.
struct ForwardField
{
  std::string_view text; ///< of a Unix socket, the path
  bool is_unix = false;

  /// A port or a range of ports, right or wrong: nothing but digits and hyphens.
  [[nodiscard]] bool is_ports() const;
};

// Both throw UsageError with the offending text, one line.

[[nodiscard]] std::vector<ForwardField> split_forward(std::string_view text);

/// `PORTS`, `ADDRESS:PORTS` or `unix:PATH`. Empty ports are left out.
[[nodiscard]] ForwardSpec::Side parse_forward_side(std::span<const ForwardField> fields);

} // namespace slirpstack
