#pragma once

#include <string>

namespace slirpstack {

/// Keeps the kernel from speaking on an interface of our own namespace, and from forwarding what
/// comes in on it: no IPv6, no IPv4 forwarding, and a source is only taken from where it would be
/// sent to. To be done before the interface comes up. So nothing of a guest leaves untranslated
/// when its programs are gone, whatever net.ipv4.ip_forward says. Throws std::system_error.
void quiet_interface(const std::string& interface);

} // namespace slirpstack
