#include "host/route_message.hh"

#include <array>
#include <doctest/doctest.h>
#include <functional>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>

using namespace slirpstack;

namespace {

using Kind = HostNetworks::Kind;

/// A message in the making.
class Message
{
public:
  explicit Message(std::uint16_t type) : header_(mnl_nlmsg_put_header(buffer_.data()))
  {
    header_->nlmsg_type = type;
  }
  static Message route(unsigned char family, unsigned char length_bits, unsigned char type)
  {
    Message message(RTM_NEWROUTE);
    auto* fixed = static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(message.header_, sizeof(rtmsg)));
    fixed->rtm_family = family;
    fixed->rtm_dst_len = length_bits;
    fixed->rtm_type = type;
    return message;
  }
  static Message address(unsigned char family)
  {
    Message message(RTM_NEWADDR);
    auto* fixed
      = static_cast<ifaddrmsg*>(mnl_nlmsg_put_extra_header(message.header_, sizeof(ifaddrmsg)));
    fixed->ifa_family = family;
    return message;
  }
  Message& put(std::uint16_t attribute, const char* address)
  {
    const IpAddress value = *IpAddress::parse(address);
    mnl_attr_put(header_, attribute, value.bytes().size(), value.bytes().data());
    return *this;
  }
  Message& put(std::uint16_t attribute, std::uint32_t value)
  {
    mnl_attr_put_u32(header_, attribute, value);
    return *this;
  }
  /// RTA_MULTIPATH: a next hop each, by this gateway or, empty, by none.
  Message& put_next_hops(std::initializer_list<const char*> gateways)
  {
    nlattr* nest = mnl_attr_nest_start(header_, RTA_MULTIPATH);
    for (const char* gateway : gateways) {
      auto* hop = static_cast<rtnexthop*>(mnl_nlmsg_put_extra_header(header_, sizeof(rtnexthop)));
      if (*gateway != 0) {
        put(RTA_GATEWAY, gateway);
      }
      hop->rtnh_len = static_cast<std::uint16_t>(buffer_.data() + header_->nlmsg_len
                                                 - reinterpret_cast<char*>(hop));
    }
    mnl_attr_nest_end(header_, nest);
    return *this;
  }
  Message& cloned()
  {
    static_cast<rtmsg*>(mnl_nlmsg_get_payload(header_))->rtm_flags = RTM_F_CLONED;
    return *this;
  }
  [[nodiscard]] ByteView bytes() const
  {
    return {reinterpret_cast<const std::uint8_t*>(header_), header_->nlmsg_len};
  }

  // The header lies in the buffer, so a copy has another one.
  Message(const Message& other)
    : buffer_(other.buffer_), header_(reinterpret_cast<nlmsghdr*>(buffer_.data()))
  {}
  Message(Message&& other) noexcept
    : buffer_(other.buffer_), header_(reinterpret_cast<nlmsghdr*>(buffer_.data()))
  {}
  Message& operator=(const Message&) = delete;
  Message& operator=(Message&&) = delete;
  ~Message() = default;

private:
  alignas(nlmsghdr) std::array<char, 512> buffer_{};
  nlmsghdr* header_;
};

void check(const Message& message, Kind kind, const char* prefix)
{
  const auto network = parse_route_message(message.bytes());
  REQUIRE(network);
  CHECK(network->kind == kind);
  CHECK(network->prefix == *Prefix::parse(prefix));
}

void check_nothing(const Message& message)
{
  CHECK_FALSE(parse_route_message(message.bytes()));
}

} // namespace

TEST_CASE("an address is the host's own; on a point-to-point link, the near one")
{
  check(Message::address(AF_INET6).put(IFA_ADDRESS, "2001:db8::1"),
        Kind::own_address,
        "2001:db8::1/128");
  check(Message::address(AF_INET).put(IFA_ADDRESS, "192.0.2.2").put(IFA_LOCAL, "192.0.2.1"),
        Kind::own_address,
        "192.0.2.1/32");
}

TEST_CASE("a route's type says what its network is to the host")
{
  const auto route = [](unsigned char type) {
    return Message::route(AF_INET, 24, type).put(RTA_DST, "192.0.2.0");
  };
  check(route(RTN_UNICAST), Kind::attached_network, "192.0.2.0/24");
  check(route(RTN_BROADCAST), Kind::attached_network, "192.0.2.0/24");
  check(route(RTN_LOCAL), Kind::own_address, "192.0.2.0/24");
  check(route(RTN_ANYCAST), Kind::own_address, "192.0.2.0/24");
  for (const unsigned char type : {RTN_MULTICAST, RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT}) {
    check_nothing(route(type));
  }
}

TEST_CASE("a route through a gateway is one to a network behind it")
{
  const auto route
    = [] { return Message::route(AF_INET, 24, RTN_UNICAST).put(RTA_DST, "192.0.2.0"); };
  const auto is_routed
    = [](const Message& message) { check(message, Kind::routed_network, "192.0.2.0/24"); };
  is_routed(route().put(RTA_GATEWAY, "198.51.100.1"));
  is_routed(route().put(RTA_VIA, "2001:db8::1"));
  is_routed(route().put(RTA_NH_ID, 5));
  is_routed(route().put_next_hops({"198.51.100.1", "198.51.100.2"}));
  check(route().put_next_hops({"198.51.100.1", ""}), Kind::attached_network, "192.0.2.0/24");
}

TEST_CASE("the default route, and the halves that stand for it, say nothing")
{
  check_nothing(Message::route(AF_INET, 0, RTN_UNICAST));
  check_nothing(Message::route(AF_INET, 0, RTN_UNICAST).put(RTA_DST, "0.0.0.0"));
  check_nothing(Message::route(AF_INET, 1, RTN_UNICAST).put(RTA_DST, "128.0.0.0"));
  check_nothing(Message::route(AF_INET6, 3, RTN_UNICAST).put(RTA_DST, "2000::"));
  check(Message::route(AF_INET, 8, RTN_UNICAST).put(RTA_DST, "10.0.0.0"),
        Kind::attached_network,
        "10.0.0.0/8");
  check(Message::route(AF_INET6, 7, RTN_UNICAST).put(RTA_DST, "fc00::"),
        Kind::attached_network,
        "fc00::/7");
}

TEST_CASE("what does not fit together is passed over")
{
  check_nothing(Message(RTM_NEWLINK));
  check_nothing(Message(RTM_NEWROUTE));
  check_nothing(Message::address(AF_INET));
  check_nothing(Message::address(AF_INET).put(IFA_LOCAL, "2001:db8::1"));
  check_nothing(Message::address(AF_PACKET).put(IFA_LOCAL, "192.0.2.1"));
  check_nothing(Message::route(AF_INET, 33, RTN_UNICAST).put(RTA_DST, "192.0.2.0"));
  check_nothing(Message::route(AF_INET, 24, RTN_UNICAST).put(RTA_DST, "192.0.2.0").cloned());
}

TEST_CASE("a message cut anywhere is never read past its end")
{
  const Message whole
    = Message::route(AF_INET, 24, RTN_UNICAST).put(RTA_DST, "192.0.2.0").put_next_hops({"", ""});
  for (std::size_t length = 0; length < whole.bytes().size(); ++length) {
    CAPTURE(length);
    // On the heap and exactly as long, for the address sanitizer to see.
    const std::vector<std::uint8_t> cut(
      whole.bytes().begin(), whole.bytes().begin() + static_cast<std::ptrdiff_t>(length));
    CHECK_FALSE(parse_route_message(cut));
  }
}
