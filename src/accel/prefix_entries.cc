#include "accel/prefix_entries.hh"

#include "flow/nptv6.hh"

#include <algorithm>
#include <arpa/inet.h>

namespace slirpstack {

namespace {

constexpr std::uint32_t SIDE_BITS = 32;

} // namespace

std::map<Prefix, PrefixMapping> effective_mappings(const PrefixMap& map)
{
  std::map<Prefix, PrefixMapping> mappings;
  map.for_each([&](const PrefixMapping& mapping) { mappings.emplace(mapping.internal, mapping); });
  return mappings;
}

nat_prefix_key prefix_key(std::uint32_t side, const Prefix& prefix)
{
  nat_prefix_key key{};
  key.prefix_length = SIDE_BITS + prefix.length_bits();
  key.side = side;
  std::ranges::copy(prefix.network().bytes(), std::begin(key.address));
  return key;
}

nat_prefix outbound_prefix(const PrefixMapping& mapping)
{
  nat_prefix entry{};
  std::ranges::copy(mapping.external.network().bytes(), std::begin(entry.prefix));
  entry.length = mapping.external.length_bits();
  entry.flags = NAT_PREFIX_ASKED | (mapping.neutral ? NAT_PREFIX_NEUTRAL : 0U);
  entry.adjustment = htons(neutral_adjustment(mapping.internal, mapping.external));
  return entry;
}

nat_prefix inbound_prefix()
{
  nat_prefix entry{};
  entry.flags = NAT_PREFIX_ASKED;
  return entry;
}

} // namespace slirpstack
