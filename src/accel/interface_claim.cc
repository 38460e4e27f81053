#include "accel/interface_claim.hh"

#include "base/error.hh"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <sys/socket.h>
#include <sys/un.h>

namespace slirpstack {

InterfaceClaim::InterfaceClaim(const std::string& interface)
  : socket_(system_call("open a socket", ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)))
{
  const std::string name = "slirpstack NAT " + interface;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // A name that begins with a zero is of no file, unix(7).
  std::copy_n(
    name.begin(), std::min(name.size(), sizeof address.sun_path - 1), address.sun_path + 1);
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  // Where such names are not allowed (an AppArmor profile) nothing can be said.
  is_only_one_ = ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0
                 || errno != EADDRINUSE;
}

} // namespace slirpstack
