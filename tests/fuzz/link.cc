// Frames of a hostile guest, with virtio_net_hdr and Ethernet header, through a real link. The
// input is a row of frames, each behind its length in two bytes; the first byte says which kind of
// device.

#include "guest/link.hh"

#include "require.hh"

#include <sys/socket.h>
#include <unistd.h>

using namespace slirpstack;

namespace {

struct Pair
{
  FileDescriptor gateway;
  FileDescriptor guest;
};

Pair make_pair()
{
  std::array<int, 2> fds{};
  require(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) == 0);
  return {FileDescriptor(fds[0]), FileDescriptor(fds[1])};
}

/// What the gateway may do with every packet without a further look: read all of it.
void check(const GuestPacket& packet)
{
  require(packet.offset_bytes + packet.length_bytes <= packet.block->capacity_bytes());
  std::uint8_t sum = 0;
  for (const std::uint8_t byte : packet.bytes()) {
    sum = static_cast<std::uint8_t>(sum + byte);
  }
  volatile std::uint8_t sink = sum;
  static_cast<void>(sink);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  Reader input(ByteView(data, size));
  const std::uint8_t kind = input.u8();
  Pair pair = make_pair();
  BlockPool pool(1 << 20);
  DropCounters drops;
  Link link({.fd = std::move(pair.gateway),
             .is_ethernet = (kind & 1U) == 0,
             .vnet_header = (kind & 2U) == 0,
             .guest_mac = {}},
            pool,
            drops,
            [](GuestPacket&& packet) { check(packet); });
  while (!input.rest().empty()) {
    const std::size_t announced_bytes = input.u16();
    const ByteView frame = input.take(std::min(announced_bytes, input.rest().size()));
    if (::send(pair.guest.get(), frame.data(), frame.size(), 0) < 0) {
      break; // larger than the socket takes
    }
    require(link.read_batch());
    std::array<std::uint8_t, 2048> answer; // NOLINT: only drained
    while (::recv(pair.guest.get(), answer.data(), answer.size(), 0) >= 0) {}
  }
  require(pool.used_bytes() == 0);
  return 0;
}
