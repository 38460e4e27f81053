#include "host/route_message.hh"

#include <array>
#include <cstring>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

namespace slirpstack {

namespace {

using Attributes = std::array<const nlattr*, RTA_MAX + 1>;
using Kind = HostNetworks::Kind;

int keep_attribute(const nlattr* attribute, void* data)
{
  auto& attributes = *static_cast<Attributes*>(data);
  const std::uint16_t type = mnl_attr_get_type(attribute);
  if (type < attributes.size()) {
    attributes[type] = attribute;
  }
  return MNL_CB_OK;
}

/// The fixed part of a message, or nothing when it is too short for one.
template<typename Fixed>
std::optional<Fixed> fixed_part(const nlmsghdr* header)
{
  if (mnl_nlmsg_get_payload_len(header) < MNL_ALIGN(sizeof(Fixed))) {
    return std::nullopt;
  }
  Fixed fixed;
  std::memcpy(&fixed, mnl_nlmsg_get_payload(header), sizeof fixed);
  return fixed;
}

std::optional<Family> family_of(unsigned char number)
{
  switch (number) {
    case AF_INET:
      return Family::ipv4;
    case AF_INET6:
      return Family::ipv6;
    default:
      return std::nullopt;
  }
}

unsigned address_bits(Family family)
{
  return family == Family::ipv4 ? 32 : 128;
}

std::optional<IpAddress> address_of(const nlattr* attribute, Family family)
{
  if (attribute == nullptr || mnl_attr_get_payload_len(attribute) != address_bits(family) / 8) {
    return std::nullopt;
  }
  const auto* bytes = static_cast<const std::uint8_t*>(mnl_attr_get_payload(attribute));
  return IpAddress(ByteView(bytes, address_bits(family) / 8));
}

std::optional<NetworkMessage> parse_address(const nlmsghdr* header)
{
  const auto fixed = fixed_part<ifaddrmsg>(header);
  const auto family = fixed ? family_of(fixed->ifa_family) : std::nullopt;
  if (!family) {
    return std::nullopt;
  }
  Attributes attributes{};
  mnl_attr_parse(header, sizeof(ifaddrmsg), keep_attribute, &attributes);
  // On a point-to-point interface IFA_ADDRESS is the other end.
  const bool has_local = attributes[IFA_LOCAL] != nullptr;
  const auto address = address_of(attributes[has_local ? IFA_LOCAL : IFA_ADDRESS], *family);
  if (!address) {
    return std::nullopt;
  }
  return NetworkMessage{Kind::own_address, Prefix(*address, address_bits(*family))};
}

bool has_gateway(const Attributes& attributes)
{
  return attributes[RTA_GATEWAY] != nullptr || attributes[RTA_VIA] != nullptr;
}

/// True when a next hop of a multipath route has no gateway.
bool on_link_next_hop(const nlattr* multipath)
{
  const auto* next = static_cast<const std::uint8_t*>(mnl_attr_get_payload(multipath));
  std::size_t rest = mnl_attr_get_payload_len(multipath);
  while (rest >= sizeof(rtnexthop)) {
    rtnexthop hop{};
    std::memcpy(&hop, next, sizeof hop);
    if (hop.rtnh_len < sizeof hop || hop.rtnh_len > rest) {
      return false;
    }
    Attributes attributes{};
    mnl_attr_parse_payload(
      next + sizeof hop, hop.rtnh_len - sizeof hop, keep_attribute, &attributes);
    if (!has_gateway(attributes)) {
      return true;
    }
    const std::size_t step = std::min<std::size_t>(MNL_ALIGN(hop.rtnh_len), rest);
    next += step;
    rest -= step;
  }
  return false;
}

bool on_link(const Attributes& attributes)
{
  if (attributes[RTA_MULTIPATH] != nullptr) {
    return on_link_next_hop(attributes[RTA_MULTIPATH]);
  }
  // A next hop object that the kernel does not spell out is what routing daemons use for gateways.
  return !has_gateway(attributes) && attributes[RTA_NH_ID] == nullptr;
}

/// A VPN takes all traffic by a device route without gateway: the default route, or the halves of
/// it (0.0.0.0/1 and 128.0.0.0/1, 2000::/3). Nobody is attached to the whole internet.
bool stands_for_default(const Prefix& prefix)
{
  return prefix.length_bits() < (prefix.address().is_ipv4() ? 8U : 4U);
}

std::optional<Kind> kind_of(const rtmsg& route, const Attributes& attributes, const Prefix& prefix)
{
  switch (route.rtm_type) {
    case RTN_LOCAL:
    case RTN_ANYCAST:
      return Kind::own_address;
    case RTN_BROADCAST:
      return Kind::attached_network;
    case RTN_UNICAST:
      if (stands_for_default(prefix)) {
        return std::nullopt;
      }
      return on_link(attributes) ? Kind::attached_network : Kind::routed_network;
    default:
      return std::nullopt;
  }
}

std::optional<NetworkMessage> parse_route(const nlmsghdr* header)
{
  const auto route = fixed_part<rtmsg>(header);
  const auto family = route ? family_of(route->rtm_family) : std::nullopt;
  if (!family || (route->rtm_flags & RTM_F_CLONED) != 0
      || route->rtm_dst_len > address_bits(*family)) {
    return std::nullopt;
  }
  Attributes attributes{};
  mnl_attr_parse(header, sizeof(rtmsg), keep_attribute, &attributes);
  const auto destination = address_of(attributes[RTA_DST], *family);
  if (!destination) {
    return std::nullopt;
  }
  const Prefix prefix(*destination, route->rtm_dst_len);
  const auto kind = kind_of(*route, attributes, prefix);
  if (!kind) {
    return std::nullopt;
  }
  return NetworkMessage{*kind, prefix};
}

} // namespace

std::optional<NetworkMessage> parse_route_message(ByteView message)
{
  const auto* header = reinterpret_cast<const nlmsghdr*>(message.data());
  // libmnl takes the length for a signed number, so that one of 2 GiB and more would pass; and it
  // reads attributes up to the next multiple of four, as the kernel's lengths are.
  if (!mnl_nlmsg_ok(header, static_cast<int>(message.size())) || header->nlmsg_len > message.size()
      || MNL_ALIGN(header->nlmsg_len) > message.size()) {
    return std::nullopt;
  }
  switch (header->nlmsg_type) {
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return parse_address(header);
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      return parse_route(header);
    default:
      return std::nullopt;
  }
}

} // namespace slirpstack
