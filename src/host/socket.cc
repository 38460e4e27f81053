#include "host/socket.hh"

#include "base/error.hh"
#include "host/socket_address.hh"

#include <net/if.h>

namespace slirpstack {

FileDescriptor open_socket(Family family, int type, int protocol)
{
  return FileDescriptor(
    ::socket(address_family(family), type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
}

std::error_code set_option(int descriptor, int level, int name, int value)
{
  if (::setsockopt(descriptor, level, name, &value, sizeof value) < 0) {
    return last_error();
  }
  return {};
}

std::error_code bind_to_device(int descriptor, const std::string& device)
{
  if (!device.empty()
      && ::setsockopt(descriptor,
                      SOL_SOCKET,
                      SO_BINDTODEVICE,
                      device.data(),
                      static_cast<socklen_t>(device.size()))
           < 0) {
    return last_error();
  }
  return {};
}

void allow_foreign_address(int descriptor, Family family)
{
  if (family == Family::ipv4) {
    set_option(descriptor, IPPROTO_IP, IP_FREEBIND, 1);
  } else {
    set_option(descriptor, IPPROTO_IPV6, IPV6_FREEBIND, 1);
  }
}

std::uint32_t scope_of(const IpAddress& address, const std::string& device)
{
  return address.is_ipv6() && address.is_link_local() ? ::if_nametoindex(device.c_str()) : 0;
}

void set_error_queue(int descriptor, Family family, bool on)
{
  if (family == Family::ipv4) {
    set_option(descriptor, IPPROTO_IP, IP_RECVERR, on ? 1 : 0);
  } else {
    set_option(descriptor, IPPROTO_IPV6, IPV6_RECVERR, on ? 1 : 0);
  }
}

void PathOptions::set_hop_limit(int descriptor, std::uint8_t hop_limit)
{
  if (hop_limit == hop_limit_) {
    return;
  }
  hop_limit_ = hop_limit;
  const int value = hop_limit == 0 ? -1 : hop_limit; // -1 restores the default
  if (family_ == Family::ipv4) {
    set_option(descriptor, IPPROTO_IP, IP_TTL, value);
  } else {
    set_option(descriptor, IPPROTO_IPV6, IPV6_UNICAST_HOPS, value);
  }
}

// PMTUDISC_DO sets DF and refuses what is larger than the path's known MTU; PMTUDISC_DONT
// fragments on this host.
void PathOptions::set_dont_fragment(int descriptor, bool dont_fragment)
{
  if (dont_fragment == dont_fragment_) {
    return;
  }
  dont_fragment_ = dont_fragment;
  if (family_ == Family::ipv4) {
    const int discovery = dont_fragment ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT;
    set_option(descriptor, IPPROTO_IP, IP_MTU_DISCOVER, discovery);
  } else {
    const int discovery = dont_fragment ? IPV6_PMTUDISC_DO : IPV6_PMTUDISC_DONT;
    set_option(descriptor, IPPROTO_IPV6, IPV6_MTU_DISCOVER, discovery);
    set_option(descriptor, IPPROTO_IPV6, IPV6_DONTFRAG, dont_fragment ? 1 : 0);
  }
}

} // namespace slirpstack
