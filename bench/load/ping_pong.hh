#pragma once

#include "load/latencies.hh"
#include "load/socket.hh"

#include <span>

namespace slirpstack::bench {

/// Sends `bytes` over a blocking connection to the echo server, waits until all are back in their
/// place, and tells how long it took. Throws std::system_error, or std::runtime_error when the
/// connection ended.
Duration round_trip(const FileDescriptor& socket, std::span<char> bytes);

} // namespace slirpstack::bench
