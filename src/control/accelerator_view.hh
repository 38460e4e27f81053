#pragma once

#include "wire/address.hh"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace slirpstack {

/// What became of the packets that the accelerator's programs have seen, under one of its names.
struct AcceleratorCount
{
  std::string_view name;
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
};

struct AcceleratorStatus
{
  std::string_view hook;           ///< `xdp` or `tc`
  std::string_view binds;          ///< who binds ports: `user` or `kernel`
  std::string external;            ///< the interface's name
  std::vector<std::string> guests; ///< the names of those behind which they are
  std::string addresses;           ///< external ones, as they were given
  std::string ports;               ///< external ones
  std::size_t bindings = 0;        ///< there now
  std::size_t max_bindings = 0;
  std::size_t sessions = 0;     ///< TCP connections, and remotes that a filter remembers
  std::size_t mappings = 0;     ///< of IPv6 prefixes, in the kernel
  std::size_t mapped_flows = 0; ///< that it carries now
  std::vector<AcceleratorCount> counts;
};

/// An internal endpoint and the external one that stands for it.
struct AcceleratorBinding
{
  std::uint8_t protocol = 0; ///< PROTOCOL_TCP, _UDP, _ICMP, whose port is the query's identifier
  Endpoint internal;
  Endpoint external;
  unsigned zone = 0;              ///< which of the guests whose addresses are the same
  std::uint64_t idle_seconds = 0; ///< since the guest last sent
};

/// What the control socket and the metrics show of the accelerator.
class AcceleratorView
{
public:
  virtual ~AcceleratorView() = default;

  /// Both throw std::system_error when the kernel does not give an answer.
  [[nodiscard]] virtual AcceleratorStatus status() const = 0;
  virtual void for_each_binding(
    const std::function<void(const AcceleratorBinding&)>& visit) const = 0;
};

} // namespace slirpstack
