#include "flow/host_networks.hh"

#include <algorithm>

namespace slirpstack {

void HostNetworks::add(Kind kind, const Prefix& prefix)
{
  (kind == Kind::own_address ? own_ : attached_).push_back(prefix);
}

std::optional<HostNetworks::Kind> HostNetworks::find(const IpAddress& address) const
{
  const auto contains = [&](const Prefix& prefix) { return prefix.contains(address); };
  if (std::ranges::any_of(own_, contains)) { return Kind::own_address; }
  if (std::ranges::any_of(attached_, contains)) { return Kind::attached_network; }
  return std::nullopt;
}

} // namespace slirpstack
