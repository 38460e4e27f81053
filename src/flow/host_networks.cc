#include "flow/host_networks.hh"

#include <algorithm>

namespace slirpstack {

namespace {

// Longest first, so that a lookup walks the lengths there are, and searches within each.
bool before(const Prefix& a, const Prefix& b)
{
  if (a.length_bits() != b.length_bits()) {
    return a.length_bits() > b.length_bits();
  }
  return a.address() < b.address();
}

bool contains(const std::vector<Prefix>& prefixes, const IpAddress& address)
{
  const unsigned address_bits = address.is_ipv4() ? 32 : 128;
  for (auto group = prefixes.begin(); group != prefixes.end();) {
    const unsigned length_bits = group->length_bits();
    const auto end = std::partition_point(group, prefixes.end(), [&](const Prefix& prefix) {
      return prefix.length_bits() == length_bits;
    });
    if (length_bits <= address_bits) {
      const Prefix wanted(Prefix(address, length_bits).network(), length_bits);
      if (std::binary_search(group, end, wanted, before)) {
        return true;
      }
    }
    group = end;
  }
  return false;
}

} // namespace

void HostNetworks::add(Kind kind, const Prefix& prefix)
{
  std::vector<Prefix>& prefixes = kind == Kind::own_address        ? own_
                                  : kind == Kind::attached_network ? attached_
                                                                   : routed_;
  const Prefix network(prefix.network(), prefix.length_bits());
  const auto place = std::lower_bound(prefixes.begin(), prefixes.end(), network, before);
  if (place == prefixes.end() || *place != network) {
    prefixes.insert(place, network);
  }
}

std::optional<HostNetworks::Kind> HostNetworks::find(const IpAddress& address) const
{
  if (contains(own_, address)) {
    return Kind::own_address;
  }
  if (contains(attached_, address)) {
    return Kind::attached_network;
  }
  if (contains(routed_, address)) {
    return Kind::routed_network;
  }
  return std::nullopt;
}

} // namespace slirpstack
