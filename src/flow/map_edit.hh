#pragma once

#include "flow/map_scope.hh"
#include "flow/prefix_map.hh"

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace slirpstack {

/// One change of a prefix map.
struct MapEdit
{
  enum class Kind : std::uint8_t
  {
    add,
    remove, ///< by interface and internal prefix
    drop,   ///< all of an interface, or of all of them if its name is empty
  };

  Kind kind = Kind::add;
  PrefixMapping mapping;
  /// Where it stands in its text, from 1; 0: nowhere. The columns are those of MappingPart.
  unsigned line = 0;
  std::array<unsigned, 4> columns{};

  bool operator==(const MapEdit&) const = default;
};

/// Reads the text of a batch. Each line is empty, a comment from `#` on, or one of
///
///     add INTERFACE INTERNAL/LENGTH EXTERNAL/LENGTH [neutral] [open]
///     del INTERFACE INTERNAL/LENGTH
///     drop INTERFACE | drop --all
///
/// in printable ASCII, of at most 4096 bytes. Throws MappingError with EINVAL at the first mistake,
/// `line 3, column 7: …`.
[[nodiscard]] std::vector<MapEdit> parse_map_batch(std::string_view text);

/// What follows `add`, alone: `eth0 2001:db8:1::/64 2001:db8:2::/64`. Throws MappingError, with the
/// column as in a batch of one line.
[[nodiscard]] MapEdit parse_map_add(std::string_view text);

/// Makes all changes in their order or, when one of them cannot be made, none. A drop leaves alone
/// what `scope` does not reach. Throws MappingError of the first that cannot, with its line and
/// column if it has some: EPERM for what `scope` does not reach.
void apply_edits(PrefixMap& map, std::span<const MapEdit> edits, const MapScope& scope = {});

} // namespace slirpstack
