#pragma once

#include "base/siphash.hh"
#include "wire/address.hh"

#include <compare>
#include <cstdint>
#include <string>

namespace slirpstack {

/// What names a flow, as the guest's packets show it. For ICMP echo the guest's port is the
/// identifier and the remote port is 0.
struct FlowKey
{
  std::uint8_t protocol = 0;
  Endpoint guest;
  Endpoint remote;

  /// `tcp 10.0.2.100:40000 -> 192.0.2.1:80`
  [[nodiscard]] std::string to_string() const;
  bool operator==(const FlowKey&) const = default;
};

/// Hashes a FlowKey under a secret, so that a guest cannot choose colliding flows.
class FlowKeyHash
{
public:
  explicit FlowKeyHash(const HashSecret& secret) : secret_(secret) {}
  std::size_t operator()(const FlowKey& key) const;
  std::size_t operator()(const Endpoint& endpoint) const;

private:
  HashSecret secret_;
};

} // namespace slirpstack
