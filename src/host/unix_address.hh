#pragma once

#include "flow/host_network.hh"

#include <optional>
#include <sys/socket.h>
#include <sys/un.h>

namespace slirpstack {

/// A Unix socket's address as the kernel wants it.
class UnixAddress
{
public:
  static constexpr socklen_t CAPACITY = sizeof(sockaddr_un);

  /// Unspecified; `data()` can be filled by the kernel.
  UnixAddress() = default;
  /// Nothing when the path is empty or longer than an address holds (107 bytes).
  static std::optional<UnixAddress> of(const UnixPath& path);

  [[nodiscard]] sockaddr* data() { return reinterpret_cast<sockaddr*>(&address_); }
  [[nodiscard]] const sockaddr* data() const
  {
    return reinterpret_cast<const sockaddr*>(&address_);
  }
  [[nodiscard]] socklen_t size() const { return size_; }
  [[nodiscard]] bool is_unix() const { return address_.sun_family == AF_UNIX; }
  /// The path, where the kernel has said that the address is so long.
  [[nodiscard]] UnixPath path(socklen_t size) const;

private:
  sockaddr_un address_{};
  socklen_t size_ = sizeof(sa_family_t);
};

} // namespace slirpstack
