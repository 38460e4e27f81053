#pragma once

#include "flow/forward_spec.hh"

#include <string_view>

namespace slirpstack {

// What is wrong with a forward as a whole. Each throws UsageError with the offending text, one
// line.

/// Refuses what no parser of one side can see: a Unix socket on the guest's side, UDP over one, a
/// device where nothing is bound, as many target ports as do not fit the bound ones, …
void check_forward(const ForwardSpec& spec);

/// Refuses a spec (`text`, as typed) that names no port, address or path at all. slirpnetstack
/// takes it for a port of the host's choice; here it is a value that somebody has forgotten.
void check_not_blank(ForwardDirection direction, std::string_view text);

} // namespace slirpstack
