#include "flow/packet_sink.hh"

#include <array>

namespace slirpstack {

void PacketSink::send_whole(ByteView packet)
{
  // A complete packet is never modified; iovec just has no const form.
  const std::array<iovec, 1> pieces{iovec{const_cast<std::uint8_t*>(packet.data()), packet.size()}};
  send({.pieces = pieces});
}

} // namespace slirpstack
