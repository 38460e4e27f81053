#include "guest/interface.hh"

#include "base/error.hh"

#include <algorithm>
#include <cstring>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>

namespace slirpstack {

namespace {

void check(std::error_code error, const char* attempt)
{
  if (error) {
    throw std::system_error(error, attempt);
  }
}

int address_family(Family family)
{
  return family == Family::ipv4 ? AF_INET : AF_INET6;
}

std::optional<IpAddress> to_address(ByteView bytes)
{
  if (bytes.size() != 4 && bytes.size() != 16) {
    return std::nullopt;
  }
  return IpAddress(bytes);
}

void read_tun_details(const Attributes<IFLA_MAX>& attributes, Interface& interface)
{
  if (attributes[IFLA_LINKINFO] == nullptr) {
    return;
  }
  const Attributes<IFLA_INFO_MAX> info(attributes[IFLA_LINKINFO]);
  const ByteView kind = info.bytes(IFLA_INFO_KIND);
  // Taps and tuns alike are of the kind "tun" (with its terminating zero).
  if (kind.size() < 4 || std::memcmp(kind.data(), "tun", 4) != 0
      || info[IFLA_INFO_DATA] == nullptr) {
    return;
  }
  const Attributes<IFLA_TUN_MAX> tun(info[IFLA_INFO_DATA]);
  interface.kind = tun.u8(IFLA_TUN_TYPE) == IFF_TUN ? Interface::Kind::tun : Interface::Kind::tap;
  interface.multi_queue = tun.u8(IFLA_TUN_MULTI_QUEUE) != 0;
}

Interface parse_interface(const nlmsghdr& message)
{
  const auto& body = *static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(&message));
  const Attributes<IFLA_MAX> attributes(message, sizeof body);
  Interface interface;
  interface.index = body.ifi_index;
  interface.mtu_bytes = attributes.u32(IFLA_MTU);
  const ByteView mac = attributes.bytes(IFLA_ADDRESS);
  if (mac.size() == interface.mac.bytes.size()) {
    std::ranges::copy(mac, interface.mac.bytes.begin());
  }
  read_tun_details(attributes, interface);
  return interface;
}

/// The guest's address in a RTM_NEWADDR, if other hosts may use it.
std::optional<Prefix> parse_address(const nlmsghdr& message, const Interface& interface)
{
  const auto& body = *static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(&message));
  const Attributes<IFA_MAX> attributes(message, sizeof body);
  const std::uint32_t flags
    = attributes[IFA_FLAGS] != nullptr ? attributes.u32(IFA_FLAGS) : body.ifa_flags;
  if (static_cast<int>(body.ifa_index) != interface.index || body.ifa_scope >= RT_SCOPE_LINK
      || (flags & (IFA_F_SECONDARY | IFA_F_DEPRECATED)) != 0) {
    return std::nullopt;
  }
  // IFA_ADDRESS is the peer's on a point-to-point interface; IFA_LOCAL, where there is one, ours.
  const std::optional<IpAddress> address
    = to_address(attributes.bytes(attributes[IFA_LOCAL] != nullptr ? IFA_LOCAL : IFA_ADDRESS));
  if (!address) {
    return std::nullopt;
  }
  return Prefix(*address, body.ifa_prefixlen);
}

/// The next hop in a RTM_NEWROUTE, if it is the main table's default route through `interface`.
std::optional<IpAddress> parse_default_gateway(const nlmsghdr& message, const Interface& interface)
{
  const auto& body = *static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&message));
  const Attributes<RTA_MAX> attributes(message, sizeof body);
  const std::uint32_t table
    = attributes[RTA_TABLE] != nullptr ? attributes.u32(RTA_TABLE) : body.rtm_table;
  if (body.rtm_dst_len != 0 || table != RT_TABLE_MAIN || body.rtm_type != RTN_UNICAST
      || static_cast<int>(attributes.u32(RTA_OIF)) != interface.index) {
    return std::nullopt;
  }
  return to_address(attributes.bytes(RTA_GATEWAY));
}

std::optional<Prefix> first_address(RouteSocket& socket, const Interface& interface, Family family)
{
  RouteRequest request(RTM_GETADDR, NLM_F_DUMP);
  request.body<ifaddrmsg>().ifa_family = static_cast<std::uint8_t>(address_family(family));
  std::optional<Prefix> found;
  const auto error = socket.transact(request, [&](const nlmsghdr& message) {
    // Without IPv6 in the kernel the dump for AF_INET6 answers for every family.
    const auto& body = *static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(&message));
    if (message.nlmsg_type == RTM_NEWADDR && body.ifa_family == address_family(family) && !found) {
      found = parse_address(message, interface);
    }
  });
  check(error, "read the guest's addresses");
  return found;
}

std::optional<IpAddress> default_gateway(RouteSocket& socket,
                                         const Interface& interface,
                                         Family family)
{
  RouteRequest request(RTM_GETROUTE, NLM_F_DUMP);
  request.body<rtmsg>().rtm_family = static_cast<std::uint8_t>(address_family(family));
  std::optional<IpAddress> found;
  const auto error = socket.transact(request, [&](const nlmsghdr& message) {
    const auto& body = *static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&message));
    if (message.nlmsg_type == RTM_NEWROUTE && body.rtm_family == address_family(family) && !found) {
      found = parse_default_gateway(message, interface);
    }
  });
  check(error, "read the guest's routes");
  return found;
}

std::optional<GuestAddress> read_family(RouteSocket& socket,
                                        const Interface& interface,
                                        Family family)
{
  const std::optional<Prefix> guest = first_address(socket, interface, family);
  if (!guest) {
    return std::nullopt;
  }
  return GuestAddress{*guest, default_gateway(socket, interface, family).value_or(guest->host(2))};
}

} // namespace

std::optional<Interface> find_interface(RouteSocket& socket, const std::string& name)
{
  RouteRequest request(RTM_GETLINK, NLM_F_ACK);
  request.body<ifinfomsg>().ifi_family = AF_UNSPEC;
  request.put(IFLA_IFNAME, name);
  std::optional<Interface> found;
  const std::error_code error = socket.transact(request, [&](const nlmsghdr& message) {
    if (message.nlmsg_type == RTM_NEWLINK) {
      found = parse_interface(message);
    }
  });
  if (error != std::errc::no_such_device) {
    check(error, "look the guest's interface up");
  }
  return found;
}

GuestAddresses read_addresses(RouteSocket& socket, const Interface& interface)
{
  return {read_family(socket, interface, Family::ipv4),
          read_family(socket, interface, Family::ipv6)};
}

} // namespace slirpstack
