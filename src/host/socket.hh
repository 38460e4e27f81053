#pragma once

#include "base/file_descriptor.hh"
#include "flow/host_network.hh"

#include <optional>
#include <string>
#include <system_error>

namespace slirpstack {

/// Opens a non-blocking, close-on-exec socket; a negative descriptor leaves the reason in errno.
[[nodiscard]] FileDescriptor open_socket(Family family, int type, int protocol = 0);

/// setsockopt with an int value.
std::error_code set_option(int descriptor, int level, int name, int value);

/// SO_BINDTODEVICE; an empty name is no device.
std::error_code bind_to_device(int descriptor, const std::string& device);

/// Lets the socket be bound to an address that is not configured on the host (IPV6_FREEBIND,
/// IP_FREEBIND). It takes no privilege.
void allow_foreign_address(int descriptor, Family family);

/// The scope id of a link-local address on a device; 0 for any other address.
[[nodiscard]] std::uint32_t scope_of(const IpAddress& address, const std::string& device);

/// Switches the error queue (IP_RECVERR, IPV6_RECVERR) on or off.
void set_error_queue(int descriptor, Family family, bool on);

/// An Opened<Socket> that failed with `code`.
template<typename Socket>
Opened<Socket> not_opened(std::error_code code)
{
  return {nullptr, {code, std::nullopt}};
}

/// The hop limit and the don't-fragment setting that a socket has in the kernel, so that they cost
/// a system call only when they change.
class PathOptions
{
public:
  explicit PathOptions(Family family) : family_(family) {}

  /// 0: the host's default.
  void set_hop_limit(int descriptor, std::uint8_t hop_limit);
  void set_dont_fragment(int descriptor, bool dont_fragment);

private:
  Family family_;
  std::uint8_t hop_limit_ = 0;
  std::optional<bool> dont_fragment_;
};

} // namespace slirpstack
