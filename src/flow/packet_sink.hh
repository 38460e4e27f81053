#pragma once

#include "base/bytes.hh"
#include "flow/guest_packet.hh"

#include <cstdint>
#include <span>
#include <sys/uio.h>

namespace slirpstack {

/// Where the transport checksum of an outgoing packet stands.
enum class ChecksumState : std::uint8_t
{
  complete, ///< the packet is finished
  partial,  ///< the field holds the folded pseudo-header sum; whoever sends it adds the rest
};

/// One IP packet for the guest, possibly a super-packet: several segments or datagrams behind one
/// header, to be cut by the guest's kernel. The pieces are borrowed for the call.
struct OutboundPacket
{
  /// The first piece holds the IP and transport headers in full and may be modified in place.
  std::span<const iovec> pieces;
  ChecksumState checksum = ChecksumState::complete;
  std::uint16_t ip_header_length_bytes = 0;
  /// The checksum field's distance from the transport header: 16 for TCP, 6 for UDP.
  std::uint16_t checksum_offset_bytes = 0;
  /// IP and transport headers together; meaningful for a super-packet.
  std::uint16_t headers_length_bytes = 0;
  /// Payload bytes of each segment; 0: the packet is not a super-packet.
  std::uint16_t segment_size_bytes = 0;
};

/// Takes packets for the guest. Implemented by the link; scenario tests collect what they are
/// given.
class PacketSink
{
public:
  virtual ~PacketSink() = default;

  /// Sends now; a packet that the device does not take is counted and dropped.
  virtual void send(const OutboundPacket& packet) = 0;

  /// Puts a frame of the guest back onto the device that it came from, byte for byte. There an
  /// offload takes it up. `packet` is not reassembled.
  virtual void give_back(const GuestPacket& packet) = 0;
  /// The same for an IPv4 packet that the guest has sent in another form: in more pieces, or fewer.
  virtual void give_back_piece(ByteView header, ByteView payload) = 0;

  /// Whether a TCP super-packet may be sent.
  [[nodiscard]] virtual bool cuts_tcp() const = 0;
  /// Whether a UDP super-packet may be sent (kernel 6.2 and newer).
  [[nodiscard]] virtual bool cuts_udp() const = 0;
  /// The largest IP packet that the guest takes uncut.
  [[nodiscard]] virtual std::uint32_t mtu_bytes() const = 0;

  /// Sends one finished packet that lies in one piece.
  void send_whole(ByteView packet);
};

} // namespace slirpstack
