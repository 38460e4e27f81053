#include "frame_socket.hh"

#include "base/error.hh"
#include "network.hh"

#include <array>
#include <cstring>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/socket.h>

namespace slirpstack::test {

namespace {

constexpr int PATIENCE_MS = 2000;
constexpr std::size_t SOURCE = 14 + 12; // the kernel has taken the tag out of the frame
constexpr std::size_t PORTS = 14 + 20;

/// virtio_net_hdr of linux/virtio_net.h, which C++ cannot read.
struct VnetHeader
{
  static constexpr std::uint8_t NEEDS_CHECKSUM = 1;

  std::uint8_t flags = 0;
  std::uint8_t gso_type = 0;
  std::uint16_t header_bytes = 0;
  std::uint16_t gso_bytes = 0;
  std::uint16_t sum_from = 0;
  std::uint16_t sum_offset = 0;
};
static_assert(sizeof(VnetHeader) == 10);

std::uint32_t read_number(const std::uint8_t* from, std::size_t bytes)
{
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    value = value << 8U | from[i];
  }
  return value;
}

std::optional<std::uint16_t> vlan_of(msghdr& message)
{
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    const auto* const data = reinterpret_cast<const tpacket_auxdata*>(CMSG_DATA(part));
    if (part->cmsg_type == PACKET_AUXDATA && (data->tp_status & TP_STATUS_VLAN_VALID) != 0) {
      return data->tp_vlan_tci;
    }
  }
  return std::nullopt;
}

} // namespace

FrameSocket::FrameSocket(const char* space) : socket_(packet_socket_in(space, SOCK_RAW))
{
  const int on = 1;
  ::setsockopt(socket_.get(), SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on));
}

void FrameSocket::send(const std::vector<std::uint8_t>& frame) const
{
  system_call("send a frame", ::send(socket_.get(), frame.data(), frame.size(), 0));
}

std::optional<FrameSocket::Datagram> FrameSocket::receive_from(const IpAddress& source) const
{
  pollfd waiting{socket_.get(), POLLIN, 0};
  while (::poll(&waiting, 1, PATIENCE_MS) == 1) {
    std::array<std::uint8_t, 2048> frame{};
    std::array<char, 128> control{};
    iovec piece{frame.data(), frame.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(socket_.get(), &message, 0) < 0) {
      return std::nullopt;
    }
    if (read_number(&frame[SOURCE], 4) == source.ipv4_value()) {
      return Datagram{vlan_of(message),
                      static_cast<std::uint16_t>(read_number(&frame[PORTS], 2)),
                      static_cast<std::uint16_t>(read_number(&frame[PORTS + 2], 2))};
    }
  }
  return std::nullopt;
}

void send_made(const char* space, const std::vector<std::uint8_t>& frame, const Making& making)
{
  const FileDescriptor socket = packet_socket_in(space, SOCK_RAW);
  const int on = 1;
  system_call("have frames made",
              ::setsockopt(socket.get(), SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)));
  VnetHeader made;
  made.header_bytes = making.together_bytes;
  if (making.sum_from) {
    made.flags = VnetHeader::NEEDS_CHECKSUM;
    made.sum_from = *making.sum_from;
    made.sum_offset = making.sum_offset;
  }
  std::vector<std::uint8_t> bytes(sizeof(made) + frame.size());
  std::memcpy(bytes.data(), &made, sizeof(made));
  std::memcpy(bytes.data() + sizeof(made), frame.data(), frame.size());
  system_call("send a frame", ::send(socket.get(), bytes.data(), bytes.size(), 0));
}

} // namespace slirpstack::test
