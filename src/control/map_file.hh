#pragma once

#include "flow/map_edit.hh"

#include <string>
#include <vector>

namespace slirpstack {

/// The text of a file with a batch of map edits, `-` being standard input. Throws
/// std::system_error, and UsageError for one that is longer than a request may be.
[[nodiscard]] std::string read_map_file(const std::string& path);
/// The same, parsed; a mistake in it is a UsageError: `PATH: line 3, column 7: …`.
[[nodiscard]] std::vector<MapEdit> read_map_edits(const std::string& path);

} // namespace slirpstack
