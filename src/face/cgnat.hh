#pragma once

#include "face/config.hh"
#include "face/option.hh"

#include <span>
#include <string>

namespace slirpstack {

/// The command line of cgnat-ebpf, for whoever starts the program as `cgnat`: the NAT between two
/// interfaces that are there already, in the kernel alone. Arguments without the program's name.
/// Throws UsageError.
///
///     cgnat [run] -e eth0 -i eth1 -E 203.0.113.1 -I 10.0.0.0/8
[[nodiscard]] Config parse_cgnat(std::span<const std::string> arguments);

[[nodiscard]] std::span<const Option> cgnat_options();

/// What `cgnat -help` prints.
[[nodiscard]] std::string cgnat_usage();

} // namespace slirpstack
