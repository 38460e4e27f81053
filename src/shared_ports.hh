#pragma once

#include "flow/port_range.hh"
#include "host/listening_ports.hh"
#include "wire/address.hh"

#include <string>
#include <vector>

namespace slirpstack {

/// The ports of an external address that is nobody else's.
inline constexpr PortRange ALL_PORTS{1024, 65535};

/// Ports of an address that is the host's as well: what its kernel does not give out
/// (net.ipv4.ip_local_port_range), above it, where few services are, or else below. Throws
/// UsageError where that leaves too few; `options` name what can be typed instead.
[[nodiscard]] PortRange shared_ports(const std::string& options);

/// Says in one line what the host has in those ports of its own addresses: answers to that would be
/// taken for a guest's.
void warn_of_shared_ports(const PortRange& ports, const std::vector<IpAddress>& own);

} // namespace slirpstack
