#pragma once

#include "wire/address.hh"

#include <string>
#include <vector>

namespace slirpstack {

/// The IPv4 addresses of the host's interface of that name, in the kernel's order, or, without a
/// name, of all of them. None if there is no such interface. Throws std::system_error.
[[nodiscard]] std::vector<IpAddress> own_addresses(const std::string& interface = {});

} // namespace slirpstack
