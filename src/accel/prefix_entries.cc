#include "accel/prefix_entries.hh"

#include "wire/checksum.hh"

#include <algorithm>
#include <arpa/inet.h>

namespace slirpstack {

namespace {

constexpr std::uint32_t SIDE_BITS = 32;

/// RFC 6296 section 2.6: the sum of the one prefix less that of the other.
std::uint16_t adjustment(const Prefix& from, const Prefix& to)
{
  Checksum old_sum;
  old_sum.add(from.network().bytes());
  Checksum new_sum;
  new_sum.add(to.network().bytes());
  Checksum difference;
  difference.add_u16(old_sum.folded());
  difference.add_u16(new_sum.finish());
  return difference.folded();
}

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
  entry.adjustment = htons(adjustment(mapping.internal, mapping.external));
  return entry;
}

nat_prefix inbound_prefix()
{
  nat_prefix entry{};
  entry.flags = NAT_PREFIX_ASKED;
  return entry;
}

} // namespace slirpstack
