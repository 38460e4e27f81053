#include "scenario/fake_guest.hh"

#include "wire/checksum.hh"

namespace slirpstack {

void FakeGuest::send(const OutboundPacket& packet)
{
  GuestReceived received;
  for (const iovec& piece : packet.pieces) {
    const auto* const bytes = static_cast<const std::uint8_t*>(piece.iov_base);
    received.bytes.insert(received.bytes.end(), bytes, bytes + piece.iov_len);
  }
  received.checksum = packet.checksum;
  received.segment_size_bytes = packet.segment_size_bytes;
  received.headers_length_bytes = packet.headers_length_bytes;
  received.checksum_offset_bytes = packet.checksum_offset_bytes;
  received.pieces = packet.pieces.size();
  received_.push_back(std::move(received));
}

void FakeGuest::give_back(const GuestPacket& packet)
{
  const ByteView frame = packet.frame();
  given_back_.emplace_back(frame.begin(), frame.end());
}

void FakeGuest::give_back_piece(ByteView header, ByteView payload)
{
  std::vector<std::uint8_t>& piece = given_back_.emplace_back(header.begin(), header.end());
  piece.insert(piece.end(), payload.begin(), payload.end());
}

bool GuestReceived::checksum_is_right() const
{
  const ByteView transport = payload();
  if (checksum == ChecksumState::complete) {
    return verify_transport_checksum(ip(), transport);
  }
  // The device adds up the transport layer, whose field holds the pseudo-header's sum.
  Reader field(transport.subspan(checksum_offset_bytes));
  const Checksum pseudo = pseudo_header(
    ip().source, ip().destination, ip().protocol, static_cast<std::uint32_t>(transport.size()));
  return field.u16() == pseudo.folded();
}

} // namespace slirpstack
