#include "accel/own_addresses.hh"

#include "base/error.hh"

#include <ifaddrs.h>
#include <memory>
#include <netinet/in.h>

namespace slirpstack {

std::vector<IpAddress> own_addresses(const std::string& interface)
{
  ifaddrs* first = nullptr;
  system_call("read the host's addresses", ::getifaddrs(&first));
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> list(first, ::freeifaddrs);
  std::vector<IpAddress> found;
  for (const ifaddrs* each = first; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr != nullptr && each->ifa_addr->sa_family == AF_INET
        && (interface.empty() || interface == each->ifa_name)) {
      const auto& address = *reinterpret_cast<const sockaddr_in*>(each->ifa_addr);
      found.push_back(IpAddress::ipv4(ntohl(address.sin_addr.s_addr)));
    }
  }
  return found;
}

} // namespace slirpstack
