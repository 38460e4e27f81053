#include "flow/prefix_index.hh"

#include <algorithm>

namespace slirpstack {

namespace {

constexpr std::size_t FIRST_BUCKETS = 16;

} // namespace

void PrefixIndex::insert(const PrefixMapping& mapping)
{
  const Prefix& prefix = mapping.*side_;
  Networks& networks
    = lengths_.try_emplace(prefix.length_bits(), FIRST_BUCKETS, Hash{secret_}).first->second;
  Interfaces& interfaces = networks[prefix.address()];
  interfaces.insert(
    std::ranges::lower_bound(interfaces, mapping.interface, {}, &PrefixMapping::interface),
    &mapping);
}

void PrefixIndex::erase(const PrefixMapping& mapping)
{
  const Prefix& prefix = mapping.*side_;
  const auto length = lengths_.find(prefix.length_bits());
  const auto network = length->second.find(prefix.address());
  std::erase(network->second, &mapping);
  if (network->second.empty()) {
    length->second.erase(network);
  }
  if (length->second.empty()) {
    lengths_.erase(length);
  }
}

const PrefixMapping* PrefixIndex::find(const Prefix& prefix, std::string_view interface) const
{
  const auto length = lengths_.find(prefix.length_bits());
  if (length == lengths_.end()) {
    return nullptr;
  }
  const auto network = length->second.find(prefix.address());
  if (network == length->second.end()) {
    return nullptr;
  }
  const auto found
    = std::ranges::lower_bound(network->second, interface, {}, &PrefixMapping::interface);
  return found != network->second.end() && (*found)->interface == interface ? *found : nullptr;
}

const PrefixMapping* PrefixIndex::longest(const IpAddress& address) const
{
  for (const auto& [length_bits, networks] : lengths_) {
    const auto network = networks.find(Prefix(address, length_bits).network());
    if (network != networks.end()) {
      return network->second.front();
    }
  }
  return nullptr;
}

} // namespace slirpstack
