#include "guest/host_tap.hh"

#include "base/error.hh"
#include "guest/configure.hh"
#include "guest/interface.hh"
#include "guest/quiet_interface.hh"
#include "guest/tap_device.hh"

#include <cerrno>

namespace slirpstack {

HostTap open_host_tap(const std::string& name, unsigned mtu_bytes)
{
  HostTap tap;
  tap.fd = open_plain_tap(name);
  quiet_interface(name);
  RouteSocket socket;
  const auto interface = find_interface(socket, name);
  if (!interface) {
    throw std::system_error(ENODEV, std::generic_category(), "look our tap up");
  }
  tap.index = interface->index;
  bring_up(socket, *interface, mtu_bytes);
  return tap;
}

} // namespace slirpstack
