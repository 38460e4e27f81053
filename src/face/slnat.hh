#pragma once

#include "face/config.hh"

#include <span>
#include <string>

namespace slirpstack {

/// The words of Slick NAT's command, for whoever starts the program as `slnat`; they become
/// requests about the prefix map:
///
///     status                     clear-all
///     add-batch FILE             del-batch FILE
///     drop --all | drop IF
///     IF add INTERNAL EXTERNAL   IF del INTERNAL      IF list
///
/// Arguments without the program's name. Throws UsageError.
[[nodiscard]] Config parse_slnat(std::span<const std::string> arguments);

/// What `slnat help` prints.
[[nodiscard]] std::string slnat_usage();

} // namespace slirpstack
