#pragma once

#include "base/bytes.hh"
#include "wire/address.hh"

#include <cstdint>
#include <string_view>
#include <vector>

namespace slirpstack {

/// An IP packet of the guest, of the addresses' family, with the transport checksum that is right.
[[nodiscard]] std::vector<std::uint8_t> ip_packet(std::uint8_t protocol,
                                                  const IpAddress& from,
                                                  const IpAddress& to,
                                                  ByteView transport);
/// A UDP datagram in one.
[[nodiscard]] std::vector<std::uint8_t> udp_packet(const Endpoint& from,
                                                   const Endpoint& to,
                                                   ByteView data = {});
[[nodiscard]] std::vector<std::uint8_t> udp_packet(const Endpoint& from,
                                                   const Endpoint& to,
                                                   std::string_view text);

} // namespace slirpstack
