#include "accel/route_news.hh"

#include <algorithm>
#include <linux/neighbour.h>
#include <net/if_arp.h>

namespace slirpstack {

namespace {

constexpr std::size_t IPV4_BYTES = 4;
constexpr std::size_t IPV6_BYTES = 16;

std::optional<IpAddress> address_of(ByteView bytes)
{
  return bytes.size() == IPV4_BYTES || bytes.size() == IPV6_BYTES ? std::optional(IpAddress(bytes))
                                                                  : std::nullopt;
}

std::optional<Family> family_of(unsigned number)
{
  return number == AF_INET    ? std::optional(Family::ipv4)
         : number == AF_INET6 ? std::optional(Family::ipv6)
                              : std::nullopt;
}

std::optional<MacAddress> mac_of(ByteView bytes)
{
  MacAddress mac;
  if (bytes.size() != mac.bytes.size()) {
    return std::nullopt;
  }
  std::ranges::copy(bytes, mac.bytes.begin());
  return mac;
}

/// With or without its terminating zero.
std::string text_of(ByteView bytes)
{
  return {bytes.begin(), std::ranges::find(bytes, '\0')};
}

bool is_looked_at(std::uint32_t table)
{
  return table == RT_TABLE_MAIN || table == RT_TABLE_DEFAULT || table == RT_TABLE_LOCAL;
}

/// The first of several next hops (RTA_MULTIPATH).
void read_next_hop(const nlattr* several, HostRoute& route)
{
  if (mnl_attr_get_payload_len(several) < sizeof(rtnexthop)) {
    return;
  }
  const auto* const hop = static_cast<const rtnexthop*>(mnl_attr_get_payload(several));
  route.interface = static_cast<unsigned>(hop->rtnh_ifindex);
  const std::size_t length
    = std::min<std::size_t>(hop->rtnh_len, mnl_attr_get_payload_len(several));
  const auto* attribute = reinterpret_cast<const nlattr*>(RTNH_DATA(hop));
  auto left = static_cast<int>(length - std::min(length, sizeof(rtnexthop)));
  while (mnl_attr_ok(attribute, left)) {
    if (mnl_attr_get_type(attribute) == RTA_GATEWAY) {
      route.gateway = address_of({static_cast<const std::uint8_t*>(mnl_attr_get_payload(attribute)),
                                  mnl_attr_get_payload_len(attribute)});
    }
    left -= MNL_ALIGN(attribute->nla_len);
    attribute = mnl_attr_next(attribute);
  }
}

} // namespace

std::optional<HostRoute> parse_host_route(const nlmsghdr& message)
{
  if (message.nlmsg_type != RTM_NEWROUTE) {
    return std::nullopt;
  }
  const auto& body = *static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&message));
  const Attributes<RTA_MAX> attributes(message, sizeof body);
  const std::uint32_t table
    = attributes[RTA_TABLE] != nullptr ? attributes.u32(RTA_TABLE) : body.rtm_table;
  const auto family = family_of(body.rtm_family);
  // A cloned route is one destination's cache entry.
  if (!family || !is_looked_at(table) || (body.rtm_flags & RTM_F_CLONED) != 0
      || body.rtm_dst_len > (family == Family::ipv4 ? 32 : 128)) {
    return std::nullopt;
  }
  HostRoute route;
  route.destination = Prefix(
    address_of(attributes.bytes(RTA_DST)).value_or(IpAddress::any(*family)), body.rtm_dst_len);
  route.is_unicast = body.rtm_type == RTN_UNICAST;
  route.interface = attributes.u32(RTA_OIF);
  route.gateway = address_of(attributes.bytes(RTA_GATEWAY));
  route.metric = attributes.u32(RTA_PRIORITY);
  if (attributes[RTA_MULTIPATH] != nullptr) {
    read_next_hop(attributes[RTA_MULTIPATH], route);
  }
  if (attributes[RTA_METRICS] != nullptr) {
    route.mtu_bytes = Attributes<RTAX_MAX>(attributes[RTA_METRICS]).u32(RTAX_MTU);
  }
  return route;
}

std::optional<NeighbourNews> parse_neighbour(const nlmsghdr& message, unsigned interface)
{
  if (message.nlmsg_type != RTM_NEWNEIGH && message.nlmsg_type != RTM_DELNEIGH) {
    return std::nullopt;
  }
  const auto& body = *static_cast<const ndmsg*>(mnl_nlmsg_get_payload(&message));
  const Attributes<NDA_MAX> attributes(message, sizeof body);
  const auto address = address_of(attributes.bytes(NDA_DST));
  if (!family_of(body.ndm_family)
      || static_cast<unsigned>(body.ndm_ifindex) != interface || !address) {
    return std::nullopt;
  }
  constexpr unsigned KNOWN
    = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP;
  const bool is_known = message.nlmsg_type == RTM_NEWNEIGH && (body.ndm_state & KNOWN) != 0;
  return NeighbourNews{*address, is_known ? mac_of(attributes.bytes(NDA_LLADDR)) : std::nullopt};
}

std::optional<ExternalLink> parse_external_link(const nlmsghdr& message)
{
  if (message.nlmsg_type != RTM_NEWLINK) {
    return std::nullopt;
  }
  const auto& body = *static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(&message));
  const Attributes<IFLA_MAX> attributes(message, sizeof body);
  const auto mac = mac_of(attributes.bytes(IFLA_ADDRESS));
  if (body.ifi_type != ARPHRD_ETHER || !mac) {
    return std::nullopt;
  }
  return ExternalLink{static_cast<unsigned>(body.ifi_index),
                      attributes.u32(IFLA_MTU),
                      *mac,
                      text_of(attributes.bytes(IFLA_IFNAME))};
}

} // namespace slirpstack
