#include "tap.hh"

#include "accel/nat_table.hh"
#include "base/error.hh"
#include "network.hh"

#include <cstring>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace slirpstack::test {

namespace {

constexpr const char* NAME = "tap1";
constexpr int PATIENCE_MS = 2000;
constexpr std::size_t ETHERTYPE_OFFSET = 12;

bool is_ipv4(const std::vector<std::uint8_t>& frame)
{
  return frame.size() > ETHERTYPE_OFFSET + 2 && frame[ETHERTYPE_OFFSET] == 8
         && frame[ETHERTYPE_OFFSET + 1] == 0;
}

} // namespace

Tap::Tap(NatAccelerator& nat)
  : device_(system_call("open /dev/net/tun", ::open("/dev/net/tun", O_RDWR | O_CLOEXEC)))
{
  ifreq request{};
  std::strncpy(request.ifr_name, NAME, sizeof(request.ifr_name) - 1);
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  system_call("make a tap", ::ioctl(device_.get(), TUNSETIFF, &request));
  shell("ip link set tap1 up");
  const std::uint32_t tap = ::if_nametoindex(NAME);
  const std::uint32_t guest = ::if_nametoindex("guest1");
  NatTable<std::uint32_t, nat_interface> interfaces(nat.object().map("interfaces"));
  interfaces.put(guest, {tap, 0});
  interfaces.put(tap, {guest, 0});
  nat.attach_tap(static_cast<int>(tap));
}

std::vector<std::uint8_t> Tap::read_frame()
{
  pollfd waiting{device_.get(), POLLIN, 0};
  while (::poll(&waiting, 1, PATIENCE_MS) == 1) {
    std::vector<std::uint8_t> frame(2048);
    const ssize_t length = ::read(device_.get(), frame.data(), frame.size());
    if (length < 0) {
      return {};
    }
    frame.resize(static_cast<std::size_t>(length));
    if (is_ipv4(frame)) { // and no neighbour discovery
      return frame;
    }
  }
  return {};
}

void Tap::write_frame(const std::vector<std::uint8_t>& frame)
{
  system_call("write to the tap", ::write(device_.get(), frame.data(), frame.size()));
}

} // namespace slirpstack::test
