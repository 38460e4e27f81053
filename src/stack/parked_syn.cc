#include "stack/parked_syn.hh"

namespace slirpstack {

ParkedSyn::ParkedSyn(const IpHeader& ip, const TcpHeader& tcp, ByteView packet) : ip_(ip), tcp_(tcp)
{
  const ByteView kept = packet.first(ip.header_length_bytes + tcp.header_length_bytes);
  headers_.assign(kept.begin(), kept.end());
}

std::unique_ptr<Connection> ParkedSyn::admit(Stack& stack, ConnectionEvents& events) const
{
  std::unique_ptr<Connection> connection(
    new Connection(stack, events)); // NOLINT: private constructor
  connection->admit(ip_, headers_);
  if (connection->gone()) {
    return nullptr;
  }
  return connection;
}

SmallPacket ParkedSyn::reset() const
{
  return reset_for(ip_, tcp_, 0).value_or(SmallPacket());
}

} // namespace slirpstack
