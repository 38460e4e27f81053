#include "guest/tap_device.hh"

#include "base/error.hh"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

namespace slirpstack {

namespace {

// Linux 6.2 and later; older headers lack the names.
constexpr unsigned OFFLOAD_USO4 = 0x20;
constexpr unsigned OFFLOAD_USO6 = 0x40;
constexpr unsigned OFFLOAD_TCP = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
// virtio_net_hdr without num_buffers (virtio 1.2 section 5.1.6, legacy layout).
constexpr int VNET_HEADER_BYTES = 10;

FileDescriptor open_tun_driver()
{
  const int number = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (number < 0 && errno == EACCES) {
    throw_system_error("open /dev/net/tun (its mode must let this user read and write)");
  }
  if (number < 0 && errno == ENOENT) {
    throw_system_error(
      "open /dev/net/tun (modprobe tun makes it; a container needs --device /dev/net/tun)");
  }
  return FileDescriptor(system_call("open /dev/net/tun", number));
}

bool driver_has_vnet_header(const FileDescriptor& driver)
{
  unsigned features = 0;
  return ::ioctl(driver.get(), TUNGETFEATURES, &features) == 0 && (features & IFF_VNET_HDR) != 0;
}

void attach(const TapDevice& device, const std::string& name, bool multi_queue)
{
  ifreq request{};
  std::ranges::copy(name, std::begin(request.ifr_name));
  request.ifr_flags = static_cast<short>((device.is_tap ? IFF_TAP : IFF_TUN) | IFF_NO_PI
                                         | (device.vnet_header ? IFF_VNET_HDR : 0)
                                         | (multi_queue ? IFF_MULTI_QUEUE : 0));
  if (::ioctl(device.fd.get(), TUNSETIFF, &request) < 0) {
    throw_system_error(errno == EBUSY
                         ? fmt::format("open the interface {} (another program has it)", name)
                         : fmt::format("open the interface {}", name));
  }
}

void switch_offloads_on(TapDevice& device)
{
  int header_bytes = VNET_HEADER_BYTES;
  system_call("set the tap's header size",
              ::ioctl(device.fd.get(), TUNSETVNETHDRSZ, &header_bytes));
  device.udp_segmentation
    = ::ioctl(device.fd.get(), TUNSETOFFLOAD, OFFLOAD_TCP | OFFLOAD_USO4 | OFFLOAD_USO6) == 0;
  if (!device.udp_segmentation) {
    system_call("switch the tap's offloads on",
                ::ioctl(device.fd.get(), TUNSETOFFLOAD, OFFLOAD_TCP));
  }
}

} // namespace

TapDevice open_tap_device(const std::string& name, const std::optional<Interface>& existing)
{
  assert(!name.empty() && name.size() < IFNAMSIZ);
  TapDevice device;
  device.fd = open_tun_driver();
  device.is_tap = !existing || existing->kind == Interface::Kind::tap;
  device.vnet_header = driver_has_vnet_header(device.fd);
  attach(device, name, existing && existing->multi_queue);
  if (device.vnet_header) {
    switch_offloads_on(device);
  }
  return device;
}

FileDescriptor open_plain_tap(const std::string& name)
{
  assert(!name.empty() && name.size() < IFNAMSIZ);
  TapDevice device;
  device.fd = open_tun_driver();
  attach(device, name, /*multi_queue=*/false);
  return std::move(device.fd);
}

} // namespace slirpstack
