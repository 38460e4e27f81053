#include "accel/prefix_entries.hh"

#include "flow/nptv6.hh"

#include <algorithm>
#include <arpa/inet.h>

namespace slirpstack {

namespace {

constexpr std::uint32_t SIDE_BITS = 32;

nat_prefix rewriting(const Prefix& from, const Prefix& to, const PrefixMapping& mapping)
{
  nat_prefix entry{};
  std::ranges::copy(to.network().bytes(), std::begin(entry.prefix));
  entry.length = to.length_bits();
  entry.flags
    = (mapping.open ? 0U : NAT_PREFIX_ASKED) | (mapping.neutral ? NAT_PREFIX_NEUTRAL : 0U);
  entry.adjustment = htons(neutral_adjustment(from, to));
  return entry;
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

nat_prefix outbound_prefix(const PrefixMapping& mapping, const GuestPlace& guest)
{
  nat_prefix entry = rewriting(mapping.internal, mapping.external, mapping);
  std::ranges::copy(guest.mac.bytes, std::begin(entry.guest_mac));
  return entry;
}

nat_prefix open_prefix(const PrefixMapping& mapping,
                       const GuestPlace& guest,
                       std::uint32_t mtu_bytes)
{
  nat_prefix entry = rewriting(mapping.external, mapping.internal, mapping);
  std::ranges::copy(guest.mac.bytes, std::begin(entry.guest_mac));
  entry.ifindex = guest.ifindex;
  entry.mtu = mtu_bytes;
  entry.zone = guest.zone;
  return entry;
}

nat_prefix inbound_prefix()
{
  nat_prefix entry{};
  entry.flags = NAT_PREFIX_ASKED;
  return entry;
}

} // namespace slirpstack
