#pragma once

#include "accel/nat_object.hh"
#include "accel/nat_table.hh"
#include "slirpstack/nat_map.h"
#include "wire/address.hh"

#include <cstdint>
#include <optional>

namespace slirpstack {

/// What the programs in the kernel translate, as their maps say just now.
class NatScope
{
public:
  explicit NatScope(const NatObject& object);

  /// Whether packets of a guest from `source` to `destination`, both IPv4, are translated, and have
  /// a way. All others are the user-mode stack's, even if there were a binding.
  [[nodiscard]] bool translates(const IpAddress& source, const IpAddress& destination) const;
  /// Whether `remote` is an external endpoint that is no guest's: if the host has its address, a
  /// service of the host.
  [[nodiscard]] bool is_nobodys(const Endpoint& remote, std::uint8_t protocol) const;

  /// The largest packet that fits the way to `destination`, an IPv4 address; nothing if there is
  /// none.
  [[nodiscard]] std::optional<std::uint32_t> mtu_bytes_to(const IpAddress& destination) const;

private:
  NatTable<std::uint32_t, nat_settings> settings_;
  NatTable<nat_route_key, std::uint32_t> exempt_;
  NatTable<nat_endpoint, nat_owner> owners_;
  NatTable<nat_route_key, nat_route> routes_;
};

} // namespace slirpstack
