#pragma once

#include "flow/packet_sink.hh"
#include "wire/icmp.hh"
#include "wire/udp.hh"

#include <vector>

namespace slirpstack {

/// Sends UDP datagrams and echo replies of any size to the guest, the payload borrowed and not
/// copied. What is larger than the guest's MTU leaves in fragments.
class GuestSender
{
public:
  /// Datagrams in one super-packet; more would have to be split by the device.
  static constexpr std::size_t MAX_DATAGRAMS = 64;
  /// Payload bytes in one super-packet, headers of either family left room for.
  static constexpr std::size_t MAX_SUPER_BYTES = 65000;

  explicit GuestSender(PacketSink& guest, std::uint32_t first_identification = 0);

  /// One datagram, 0 to 65507 bytes (65527 over IPv6); a larger one is not sent.
  void send_udp(const Endpoint& from, const Endpoint& to, ByteView data);
  /// Datagrams behind one another in `data`, each `segment_size_bytes` long but the last, which
  /// may be shorter; 0: just one. They leave as one super-packet where the guest cuts those.
  void send_udp(const Endpoint& from,
                const Endpoint& to,
                ByteView data,
                std::uint16_t segment_size_bytes);
  /// The same with each datagram in a place of its own: at most MAX_DATAGRAMS of together at most
  /// MAX_SUPER_BYTES, all as long as the first but the last, which may be shorter.
  void send_udp(const Endpoint& from, const Endpoint& to, std::span<const ByteView> datagrams);

  /// Whether datagrams of this size may go into one super-packet.
  [[nodiscard]] bool can_join(const IpAddress& to, std::size_t datagram_bytes) const;

  /// An echo request or reply with up to 65507 bytes of data (65527 over IPv6).
  void send_echo(const IpAddress& from,
                 const IpAddress& to,
                 const IcmpEcho& echo,
                 std::uint8_t hop_limit = 64);

private:
  /// The IP payload is `transport` and behind it `data`.
  void send_complete(const IpHeader& header, ByteView transport, ByteView data);
  void send_fragments(IpHeader header, ByteView transport, ByteView data);

  PacketSink& guest_;
  std::uint32_t identification_;
  std::vector<std::uint8_t> scratch_; ///< a packet about to be cut into fragments
};

} // namespace slirpstack
