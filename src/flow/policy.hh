#pragma once

#include "flow/host_networks.hh"
#include "wire/address.hh"

#include <optional>
#include <string_view>
#include <vector>

namespace slirpstack {

/// Why the guest may not reach a destination. The names go into the log.
enum class Denial : std::uint8_t
{
  unspecified_address,
  loopback,
  multicast_or_broadcast,
  link_local,
  metadata_service,
  guest_network,
  host_address,
  host_network,
  routing_disabled,
};

std::string_view denial_name(Denial denial);

/// Decides where the guest's new flows may go. Asked once per flow.
class Policy
{
public:
  struct Settings
  {
    std::vector<Prefix> guest_networks; ///< nobody lives there but the guest and us
    bool allow_host_networks = false;   ///< `-enable-host`
    bool allow_routing = true;          ///< not `-disable-routing`
  };

  explicit Policy(Settings settings) : settings_(std::move(settings)) {}

  /// Nothing: allowed. `host` is what the host is attached to just now. An IPv4-mapped,
  /// IPv4-compatible or NAT64 (64:ff9b::/96) destination is also judged by the IPv4 address inside.
  [[nodiscard]] std::optional<Denial> denial(const IpAddress& destination,
                                             const HostNetworks& host) const;

private:
  [[nodiscard]] std::optional<Denial> static_denial(const IpAddress& destination) const;

  Settings settings_;
};

} // namespace slirpstack
