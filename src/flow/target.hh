#pragma once

#include "flow/host_network.hh"
#include "flow/name_resolver.hh"

#include <variant>

namespace slirpstack {

/// A target whose address is known only when it is needed.
struct NamedTarget
{
  HostName name;
  /// 0: the port that an SRV record names.
  std::uint16_t port = 0;
  auto operator<=>(const NamedTarget&) const = default;
};

/// Where on the host a forwarded connection goes.
using Target = std::variant<Endpoint, UnixPath, NamedTarget>;

/// `192.0.2.1:80`, `unix:/run/app.sock`, `example.org:80`.
[[nodiscard]] std::string to_string(const Target& target);

} // namespace slirpstack
