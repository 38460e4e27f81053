#include "accel/veth_end.hh"

#include "base/error.hh"
#include "base/file_descriptor.hh"

#include <cstdint>
#include <cstring>
#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace slirpstack {

namespace {

void set_feature(int socket,
                 const std::string& interface,
                 std::uint32_t command,
                 std::uint32_t value)
{
  ethtool_value setting{command, value};
  ifreq request{};
  std::strncpy(request.ifr_name, interface.c_str(), sizeof(request.ifr_name) - 1);
  request.ifr_data = reinterpret_cast<char*>(&setting);
  system_call(fmt::format("set features of {}", interface), ::ioctl(socket, SIOCETHTOOL, &request));
}

} // namespace

void prepare_veth_end(const std::string& interface)
{
  const FileDescriptor socket(
    system_call("open a socket", ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
  set_feature(socket.get(), interface, ETHTOOL_SGRO, 1);
  set_feature(socket.get(), interface, ETHTOOL_STXCSUM, 0);
}

} // namespace slirpstack
