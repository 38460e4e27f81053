#pragma once

#include "base/clock.hh"
#include "wire/address.hh"
#include "wire/ip.hh"
#include "wire/tcp.hh"

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

namespace slirpstack::test {

using Bytes = std::vector<std::uint8_t>;

/// An IPv4 packet, to be built with right lengths and checksums.
struct Packet
{
  Endpoint source;
  Endpoint destination;
  std::uint8_t protocol = PROTOCOL_UDP;
  std::uint8_t hop_limit = 64;
  std::uint16_t identification = 7;
  std::uint8_t tcp_flags = TCP_FLAG_SYN;
  std::uint8_t icmp_type = 8; ///< of a query, whose identifier is the source's port
  std::uint8_t icmp_code = 0;
  std::optional<Bytes> icmp_quote; ///< makes it an ICMP error
  std::uint16_t icmp_mtu = 0;      ///< of an error
  bool has_udp_checksum = true;
  bool dont_fragment = false;
  Bytes options; ///< a multiple of 4 bytes
  Bytes data = Bytes(5, 's');
};

[[nodiscard]] inline Packet between(const Endpoint& source,
                                    const Endpoint& destination,
                                    std::uint8_t protocol = PROTOCOL_UDP,
                                    std::uint8_t tcp_flags = TCP_FLAG_SYN)
{
  Packet packet;
  packet.source = source;
  packet.destination = destination;
  packet.protocol = protocol;
  packet.tcp_flags = tcp_flags;
  return packet;
}

[[nodiscard]] inline Packet without_data(Packet packet)
{
  packet.data.clear();
  return packet;
}

/// What the programs in the kernel take for the time.
[[nodiscard]] inline std::chrono::nanoseconds kernel_time()
{
  return Clock::now().time_since_epoch();
}

/// The same, having been through a router.
[[nodiscard]] inline Packet one_hop_on(Packet packet)
{
  --packet.hop_limit;
  return packet;
}

/// What lies around a packet.
struct Frame
{
  MacAddress destination;
  MacAddress source;
  std::optional<std::uint16_t> vlan;
};

[[nodiscard]] Bytes build(const Packet& packet);
/// The piece of `packet` (as build() makes it) from `offset` on, as a fragment.
[[nodiscard]] Bytes fragment(const Bytes& packet,
                             std::size_t offset,
                             std::size_t length,
                             bool more);
/// An IPv6 packet: UDP, or if `type` is given ICMPv6 with `data` behind its eight bytes.
[[nodiscard]] Bytes build_v6(const Endpoint& source,
                             const Endpoint& destination,
                             std::optional<std::uint8_t> type,
                             const Bytes& data,
                             std::uint8_t hop_limit = 64);
/// An IPv6 extension header; which one is next is written into it by build_v6().
struct Extension
{
  std::uint8_t protocol = PROTOCOL_DESTINATION_OPTIONS;
  Bytes bytes = Bytes(8); ///< a multiple of 8 bytes
};

/// The same packet over IPv6, which has no `options` but extension headers.
[[nodiscard]] Bytes build_v6(const Packet& packet, const std::vector<Extension>& extensions = {});
/// A piece of what an IPv6 datagram carries: its `identification` is that of `packet`.
[[nodiscard]] Extension fragment_header(const Packet& packet, std::size_t offset, bool more);
/// The piece of `packet` from `offset` on, as a fragment.
[[nodiscard]] Bytes fragment_v6(const Packet& packet,
                                std::size_t offset,
                                std::size_t length,
                                bool more);
[[nodiscard]] Bytes frame(const Frame& around, const Bytes& packet);
[[nodiscard]] Endpoint at(const char* endpoint);

} // namespace slirpstack::test
