#include "wire/ipv4_options.hh"

namespace slirpstack {

namespace {

constexpr std::uint8_t OPTION_END = 0;
constexpr std::uint8_t OPTION_NO_OPERATION = 1;
constexpr std::uint8_t OPTION_LOOSE_SOURCE_ROUTE = 131;
constexpr std::uint8_t OPTION_STRICT_SOURCE_ROUTE = 137;

} // namespace

bool is_source_routed(const IpHeader& header, ByteView packet)
{
  if (header.family() != Family::ipv4 || header.header_length_bytes == IPV4_HEADER_BYTES) {
    return false;
  }
  Reader reader(packet.subspan(IPV4_HEADER_BYTES, header.header_length_bytes - IPV4_HEADER_BYTES));
  while (!reader.rest().empty()) {
    const std::uint8_t kind = reader.u8();
    if (kind == OPTION_END) {
      return false;
    }
    if (kind == OPTION_NO_OPERATION) {
      continue;
    }
    const std::uint8_t length_bytes = reader.u8();
    if (kind == OPTION_LOOSE_SOURCE_ROUTE || kind == OPTION_STRICT_SOURCE_ROUTE
        || length_bytes < 2) {
      return true;
    }
    reader.skip(length_bytes - 2U);
    if (reader.failed()) {
      return true;
    }
  }
  return false;
}

} // namespace slirpstack
