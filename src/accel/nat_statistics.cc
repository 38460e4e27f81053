#include "accel/nat_statistics.hh"

#include "accel/libbpf.hh"
#include "base/error.hh"

#include <cassert>
#include <vector>

namespace slirpstack {

std::string_view statistic_name(nat_statistic statistic)
{
  static constexpr std::array<std::string_view, NAT_STATISTICS> NAMES{"out",
                                                                      "in",
                                                                      "hairpin",
                                                                      "prefix_out",
                                                                      "prefix_in",
                                                                      "icmp_error_out",
                                                                      "icmp_error_in",
                                                                      "to_slirpstack",
                                                                      "to_host",
                                                                      "held",
                                                                      "answered",
                                                                      "allocated",
                                                                      "race_lost",
                                                                      "drop_malformed",
                                                                      "drop_checksum",
                                                                      "drop_no_binding",
                                                                      "drop_no_session",
                                                                      "drop_filtered",
                                                                      "drop_exhausted",
                                                                      "drop_quota",
                                                                      "drop_fragment",
                                                                      "drop_hop_limit",
                                                                      "drop_no_route",
                                                                      "drop_too_big",
                                                                      "drop_protocol",
                                                                      "drop_prefix",
                                                                      "drop_source_route",
                                                                      "drop_visitors"};
  static_assert(!NAMES.back().empty(), "each statistic has a name");
  assert(statistic < NAT_STATISTICS);
  return NAMES.at(statistic);
}

NatStatistics read_statistics(const NatObject& object)
{
  const int processors = libbpf().libbpf_num_possible_cpus();
  if (processors < 0) {
    throw std::system_error(-processors, std::generic_category(), "count the processors");
  }
  const int map = object.map("statistics");
  std::vector<nat_count> each(static_cast<std::size_t>(processors));
  NatStatistics sums{};
  for (std::uint32_t key = 0; key < NAT_STATISTICS; ++key) {
    system_call("read the NAT's statistics", libbpf().bpf_map_lookup_elem(map, &key, each.data()));
    for (const nat_count& count : each) {
      sums[key].packets += count.packets;
      sums[key].bytes += count.bytes;
    }
  }
  return sums;
}

} // namespace slirpstack
