#include "guest/configure.hh"

#include "base/error.hh"
#include "base/log.hh"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <net/if.h>

namespace slirpstack {

namespace {

// The default of 500 overflows in a burst of 8 streams before we are scheduled to read.
constexpr std::uint32_t TRANSMIT_QUEUE_FRAMES = 4000;
constexpr unsigned IPV6_MIN_MTU_BYTES = 1280;
constexpr int LOOPBACK_INDEX = 1; // the first interface of every network namespace

/// The request's refusal, unless what it asks for is there already.
std::error_code establish(RouteSocket& socket, RouteRequest& request)
{
  const std::error_code error = socket.transact(request);
  return error == std::errc::file_exists ? std::error_code() : error;
}

void check(std::error_code error, const char* attempt)
{
  if (error) {
    throw std::system_error(error, attempt);
  }
}

/// Of an interface that is down: one request that brings it up as well would do that first, and to
/// change the queue of one that is up, the kernel takes it down again and waits for all processors.
void set_limits(RouteSocket& socket, const Interface& interface, unsigned mtu_bytes)
{
  RouteRequest request(RTM_NEWLINK, NLM_F_ACK);
  auto& body = request.body<ifinfomsg>();
  body.ifi_family = AF_UNSPEC;
  body.ifi_index = interface.index;
  request.put(IFLA_MTU, mtu_bytes);
  request.put(IFLA_TXQLEN, TRANSMIT_QUEUE_FRAMES);
  check(socket.transact(request), "set an interface's MTU");
}

void bring_up(RouteSocket& socket, int index, const char* attempt)
{
  RouteRequest request(RTM_NEWLINK, NLM_F_ACK);
  auto& body = request.body<ifinfomsg>();
  body.ifi_family = AF_UNSPEC;
  body.ifi_index = index;
  body.ifi_flags = IFF_UP;
  body.ifi_change = IFF_UP;
  check(socket.transact(request), attempt);
}

std::uint8_t address_family(const IpAddress& address)
{
  return address.is_ipv4() ? AF_INET : AF_INET6;
}

std::error_code add_address(RouteSocket& socket, const Interface& interface, const Prefix& guest)
{
  RouteRequest request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
  auto& body = request.body<ifaddrmsg>();
  body.ifa_family = address_family(guest.address());
  body.ifa_prefixlen = static_cast<std::uint8_t>(guest.length_bits());
  body.ifa_flags = guest.address().is_ipv6() ? IFA_F_NODAD : 0;
  body.ifa_scope = RT_SCOPE_UNIVERSE;
  body.ifa_index = static_cast<std::uint32_t>(interface.index);
  request.put(IFA_LOCAL, guest.address().bytes());
  request.put(IFA_ADDRESS, guest.address().bytes());
  return establish(socket, request);
}

std::error_code add_default_route(RouteSocket& socket,
                                  const Interface& interface,
                                  const GuestAddress& address)
{
  RouteRequest request(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
  auto& body = request.body<rtmsg>();
  body.rtm_family = address_family(address.gateway);
  body.rtm_table = RT_TABLE_MAIN;
  body.rtm_protocol = RTPROT_STATIC;
  body.rtm_scope = RT_SCOPE_UNIVERSE;
  body.rtm_type = RTN_UNICAST;
  // A gateway outside the guest's network (a /32 address, say) is on this link all the same.
  body.rtm_flags = address.guest.contains(address.gateway) ? 0 : RTNH_F_ONLINK;
  request.put(RTA_OIF, static_cast<std::uint32_t>(interface.index));
  request.put(RTA_GATEWAY, address.gateway.bytes());
  return establish(socket, request);
}

std::error_code configure_family(RouteSocket& socket,
                                 const Interface& interface,
                                 const GuestAddress& address)
{
  const std::error_code error = add_address(socket, interface, address.guest);
  return error ? error : add_default_route(socket, interface, address);
}

/// EACCES: net.ipv6.conf.*.disable_ipv6 is set; the others: a kernel without IPv6.
bool means_no_ipv6(std::error_code error)
{
  return error == std::errc::permission_denied || error == std::errc::operation_not_supported
         || error == std::errc::address_family_not_supported;
}

/// False where the guest has no IPv6.
bool configure_ipv6(RouteSocket& socket,
                    const Interface& interface,
                    unsigned mtu_bytes,
                    const GuestAddress& address)
{
  if (mtu_bytes < IPV6_MIN_MTU_BYTES) {
    log(LogLevel::warning, "no IPv6 in the guest: it needs an MTU of 1280", {{"mtu", mtu_bytes}});
    return false;
  }
  const std::error_code error = configure_family(socket, interface, address);
  if (means_no_ipv6(error)) {
    log(LogLevel::info,
        "no IPv6 in the guest: its network namespace has IPv6 switched off",
        {{"reason", error.message()}});
    return false;
  }
  check(error, "set the guest's IPv6 address and default route");
  return true;
}

} // namespace

void bring_up(RouteSocket& socket, const Interface& interface, unsigned mtu_bytes)
{
  set_limits(socket, interface, mtu_bytes);
  bring_up(socket, interface.index, "bring an interface up");
}

GuestAddresses configure_interface(RouteSocket& socket,
                                   const Interface& interface,
                                   unsigned mtu_bytes,
                                   GuestAddresses addresses)
{
  bring_up(socket, LOOPBACK_INDEX, "bring lo up");
  bring_up(socket, interface, mtu_bytes);
  if (addresses.ipv4) {
    check(configure_family(socket, interface, *addresses.ipv4),
          "set the guest's IPv4 address and default route");
  }
  if (addresses.ipv6 && !configure_ipv6(socket, interface, mtu_bytes, *addresses.ipv6)) {
    addresses.ipv6.reset();
  }
  return addresses;
}

void set_mac(RouteSocket& socket, const Interface& interface, const MacAddress& mac)
{
  RouteRequest request(RTM_NEWLINK, NLM_F_ACK);
  auto& body = request.body<ifinfomsg>();
  body.ifi_family = AF_UNSPEC;
  body.ifi_index = interface.index;
  request.put(IFLA_ADDRESS, ByteView(mac.bytes));
  check(socket.transact(request), "set the guest interface's Ethernet address");
}

} // namespace slirpstack
