#include "wire/ipv4_options.hh"

namespace slirpstack {

namespace {

constexpr std::uint8_t OPTION_END = 0;
constexpr std::uint8_t OPTION_NO_OPERATION = 1;
constexpr std::uint8_t OPTION_LOOSE_SOURCE_ROUTE = 131;
constexpr std::uint8_t OPTION_STRICT_SOURCE_ROUTE = 137;

} // namespace

bool for_each_ipv4_option(ByteView options, const std::function<void(ByteView option)>& visit)
{
  while (!options.empty() && options[0] != OPTION_END) {
    std::size_t length_bytes = 1;
    if (options[0] != OPTION_NO_OPERATION) {
      length_bytes = options.size() > 1 ? options[1] : 0;
      if (length_bytes < 2 || length_bytes > options.size()) {
        return false;
      }
      visit(options.first(length_bytes));
    }
    options = options.subspan(length_bytes);
  }
  return true;
}

bool is_source_routed(const IpHeader& header, ByteView packet)
{
  if (header.family() != Family::ipv4 || header.header_length_bytes == IPV4_HEADER_BYTES) {
    return false;
  }
  bool is_routed = false;
  const bool are_whole = for_each_ipv4_option(
    packet.subspan(IPV4_HEADER_BYTES, header.header_length_bytes - IPV4_HEADER_BYTES),
    [&](ByteView option) {
      is_routed = is_routed || option[0] == OPTION_LOOSE_SOURCE_ROUTE
                  || option[0] == OPTION_STRICT_SOURCE_ROUTE;
    });
  return is_routed || !are_whole;
}

} // namespace slirpstack
