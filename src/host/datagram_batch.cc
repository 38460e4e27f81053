#include "host/datagram_batch.hh"

#include <cassert>
#include <cstring>
#include <netinet/udp.h>

namespace slirpstack {

namespace {

template<typename Value>
void append_control(msghdr& message, int level, int type, Value value)
{
  auto* part
    = reinterpret_cast<cmsghdr*>(static_cast<char*>(message.msg_control) + message.msg_controllen);
  part->cmsg_level = level;
  part->cmsg_type = type;
  part->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(part), &value, sizeof value);
  message.msg_controllen += CMSG_SPACE(sizeof value);
}

void append_source(msghdr& message, const IpAddress& source, std::uint32_t interface_index)
{
  if (source.is_ipv4()) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, source.bytes().data(), sizeof info.ipi_spec_dst);
    append_control(message, IPPROTO_IP, IP_PKTINFO, info);
  } else {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, source.bytes().data(), sizeof info.ipi6_addr);
    info.ipi6_ifindex = interface_index;
    append_control(message, IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
}

SocketAddress destination_of(const OutboundDatagram& datagram, const LinkScopes& scopes)
{
  return datagram.interface_index != 0 ? SocketAddress(datagram.to, datagram.interface_index)
                                       : SocketAddress(datagram.to, scopes);
}

} // namespace

DatagramBatch::DatagramBatch(std::span<const OutboundDatagram> datagrams, const LinkScopes& scopes)
  : count_(datagrams.size())
{
  assert(count_ <= CAPACITY);
  for (std::size_t i = 0; i < count_; ++i) {
    lay_out(i, datagrams[i], scopes);
  }
}

void DatagramBatch::lay_out(std::size_t index,
                            const OutboundDatagram& datagram,
                            const LinkScopes& scopes)
{
  const SocketAddress destination = destination_of(datagram, scopes);
  std::memcpy(&destinations_[index], destination.data(), destination.size());
  // sendmmsg only reads the payload.
  pieces_[index] = {const_cast<std::uint8_t*>(datagram.payload.data()), datagram.payload.size()};
  msghdr& message = messages_[index].msg_hdr;
  message = {};
  message.msg_name = &destinations_[index];
  message.msg_namelen = destination.size();
  message.msg_iov = &pieces_[index];
  message.msg_iovlen = 1;
  message.msg_control = controls_[index].bytes.data();
  if (datagram.hop_limit != 0 && datagram.to.address.is_ipv4()) {
    append_control<int>(message, IPPROTO_IP, IP_TTL, datagram.hop_limit);
  } else if (datagram.hop_limit != 0) {
    append_control<int>(message, IPPROTO_IPV6, IPV6_HOPLIMIT, datagram.hop_limit);
  }
  if (datagram.source) {
    append_source(message, *datagram.source, datagram.interface_index);
  }
  if (datagram.segment_size_bytes != 0 && datagram.payload.size() > datagram.segment_size_bytes) {
    append_control<std::uint16_t>(message, SOL_UDP, UDP_SEGMENT, datagram.segment_size_bytes);
  }
}

int DatagramBatch::send(int descriptor)
{
  return ::sendmmsg(
    descriptor, messages_.data(), static_cast<unsigned>(count_), MSG_DONTWAIT | MSG_NOSIGNAL);
}

} // namespace slirpstack
