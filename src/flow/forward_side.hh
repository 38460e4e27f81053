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

// Each throws UsageError with the offending text, one line.

/// Looks whether a socket can be bound to this path, or name behind an '@' (unix(7)).
void check_unix_path(std::string_view path);

[[nodiscard]] std::vector<ForwardField> split_forward(std::string_view text);

/// `PORTS`, `ADDRESS:PORTS` or `unix:PATH`. Empty ports are left out.
[[nodiscard]] ForwardSpec::Side parse_forward_side(std::span<const ForwardField> fields);

} // namespace slirpstack
