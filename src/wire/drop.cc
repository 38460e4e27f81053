#include "wire/drop.hh"

namespace slirpstack {

std::string_view drop_name(Drop reason)
{
  static constexpr std::array<std::string_view, static_cast<std::size_t>(Drop::count_)> NAMES{
    "truncated",        "bad_version",    "bad_length",       "bad_header",
    "bad_checksum",     "bad_option",     "bad_vnet_header",  "unexpected_type",
    "fragment_overlap", "fragment_limit", "fragment_timeout", "unknown_ethertype",
    "unknown_protocol", "spoofed_source", "multicast",        "no_memory",
    "too_many_flows",   "denied",         "tap_full",         "host_full",
    "udp_filtered",     "unsolicited",    "rate_limited",     "too_many_clients",
    "fragment_carried", "source_routed",
  };
  static_assert(!NAMES.back().empty(), "each reason has a name");
  assert(reason < Drop::count_);
  return NAMES[static_cast<std::size_t>(reason)];
}

} // namespace slirpstack
