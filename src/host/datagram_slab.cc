#include "host/datagram_slab.hh"

#include "base/error.hh"
#include "host/socket_address.hh"

#include <array>
#include <cstring>
#include <netinet/udp.h>
#include <sys/mman.h>
#include <sys/socket.h>

namespace slirpstack {

namespace {

// More than the largest datagram, and than what UDP_GRO merges into one.
constexpr std::size_t BUFFER_BYTES = 65536;
constexpr std::size_t SLAB_BYTES = DatagramSlab::BATCH * BUFFER_BYTES;

struct alignas(cmsghdr) Control
{
  std::array<char, CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(in6_pktinfo))> bytes;
};

template<typename Value>
Value value_of(const cmsghdr* part)
{
  Value value{};
  std::memcpy(&value, CMSG_DATA(part), sizeof value);
  return value;
}

bool is_of_one_link(const IpAddress& address)
{
  return address.is_ipv6() && address.is_link_local();
}

/// What the kernel says beside a datagram: the size of those that UDP_GRO merged, and the address
/// that it came to, with the interface where that address or the sender's is of one link alone.
void read_control(msghdr& message, InboundDatagram& datagram)
{
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level == SOL_UDP && part->cmsg_type == UDP_GRO) {
      datagram.segment_size_bytes = static_cast<std::uint16_t>(value_of<int>(part));
    } else if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
      const auto info = value_of<in_pktinfo>(part);
      datagram.to = IpAddress(ByteView(reinterpret_cast<const std::uint8_t*>(&info.ipi_addr), 4));
    } else if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
      const auto info = value_of<in6_pktinfo>(part);
      datagram.to = IpAddress(ByteView(reinterpret_cast<const std::uint8_t*>(&info.ipi6_addr), 16));
      if (is_of_one_link(*datagram.to) || is_of_one_link(datagram.from.address)) {
        datagram.interface_index = info.ipi6_ifindex;
      }
    }
  }
}

} // namespace

struct DatagramSlab::Arrays
{
  Arrays();
  ~Arrays() { ::munmap(buffers, SLAB_BYTES); }
  Arrays(const Arrays&) = delete;
  Arrays& operator=(const Arrays&) = delete;
  Arrays(Arrays&&) = delete;
  Arrays& operator=(Arrays&&) = delete;

  void prepare(std::size_t index);
  InboundDatagram result(std::size_t index);

  std::uint8_t* buffers;
  std::size_t dirty = BATCH; ///< how many messages the kernel has written to
  std::array<mmsghdr, BATCH> messages{};
  std::array<iovec, BATCH> pieces{};
  std::array<SocketAddress, BATCH> senders;
  std::array<Control, BATCH> controls{};
  std::array<InboundDatagram, BATCH> datagrams;
};

DatagramSlab::Arrays::Arrays()
{
  void* memory
    = ::mmap(nullptr, SLAB_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    throw_system_error("map the receive buffers");
  }
  buffers = static_cast<std::uint8_t*>(memory);
}

void DatagramSlab::Arrays::prepare(std::size_t index)
{
  pieces[index] = {buffers + index * BUFFER_BYTES, BUFFER_BYTES};
  msghdr& message = messages[index].msg_hdr;
  message = {};
  message.msg_name = senders[index].data();
  message.msg_namelen = SocketAddress::CAPACITY;
  message.msg_iov = &pieces[index];
  message.msg_iovlen = 1;
  message.msg_control = controls[index].bytes.data();
  message.msg_controllen = sizeof controls[index].bytes;
}

InboundDatagram DatagramSlab::Arrays::result(std::size_t index)
{
  InboundDatagram datagram{
    .from = senders[index].endpoint(),
    .payload = {buffers + index * BUFFER_BYTES, messages[index].msg_len},
    .to = std::nullopt,
  };
  read_control(messages[index].msg_hdr, datagram);
  return datagram;
}

DatagramSlab::DatagramSlab() : arrays_(std::make_unique<Arrays>()) {}
DatagramSlab::~DatagramSlab() = default;

std::span<const InboundDatagram> DatagramSlab::receive(int descriptor)
{
  for (std::size_t i = 0; i < arrays_->dirty; ++i) {
    arrays_->prepare(i);
  }
  arrays_->dirty = 0;
  const int received
    = ::recvmmsg(descriptor, arrays_->messages.data(), BATCH, MSG_DONTWAIT, /*timeout*/ nullptr);
  const std::size_t count = received < 0 ? 0 : static_cast<std::size_t>(received);
  arrays_->dirty = count;
  for (std::size_t i = 0; i < count; ++i) {
    arrays_->datagrams[i] = arrays_->result(i);
  }
  return std::span(arrays_->datagrams).first(count);
}

void DatagramSlab::trim()
{
  ::madvise(arrays_->buffers, SLAB_BYTES, MADV_DONTNEED);
}

} // namespace slirpstack
