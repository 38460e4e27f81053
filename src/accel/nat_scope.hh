#pragma once

#include "accel/nat_object.hh"
#include "accel/nat_table.hh"
#include "slirpstack/nat_map.h"
#include "wire/address.hh"

namespace slirpstack {

/// What the programs in the kernel translate, as their maps say just now.
class NatScope
{
public:
  explicit NatScope(const NatObject& object);

  /// Whether packets of a guest from `source` to `destination`, both IPv4, are translated. All
  /// others are the user-mode stack's, even if there were a binding.
  [[nodiscard]] bool translates(const IpAddress& source, const IpAddress& destination) const;

private:
  NatTable<std::uint32_t, nat_settings> settings_;
  NatTable<nat_route_key, std::uint32_t> exempt_;
};

} // namespace slirpstack
