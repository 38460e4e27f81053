#include "stack/parked_syn.hh"

#include "wire/checksum.hh"

namespace slirpstack {

namespace {

/// Makes the IP header say that the packet ends where `packet` does: data on the SYN (RFC 7413) is
/// not kept, and what claims more than is there could not be quoted.
void shorten(MutableBytes packet, const IpHeader& ip)
{
  if (ip.family() == Family::ipv6) {
    Writer(packet.subspan(4)).u16(static_cast<std::uint16_t>(packet.size() - IPV6_HEADER_BYTES));
    return;
  }
  Writer(packet.subspan(2)).u16(static_cast<std::uint16_t>(packet.size()));
  Writer(packet.subspan(10)).u16(0);
  Checksum sum;
  sum.add(packet.first(ip.header_length_bytes));
  Writer(packet.subspan(10)).u16(sum.finish());
}

} // namespace

ParkedSyn::ParkedSyn(const IpHeader& ip, const TcpHeader& tcp, ByteView packet) : ip_(ip), tcp_(tcp)
{
  const ByteView kept = packet.first(ip.header_length_bytes + tcp.header_length_bytes);
  headers_.assign(kept.begin(), kept.end());
  if (ip.total_length_bytes > kept.size()) {
    shorten(headers_, ip);
    ip_.total_length_bytes = static_cast<std::uint32_t>(kept.size());
  }
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
