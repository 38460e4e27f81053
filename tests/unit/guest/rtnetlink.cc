#include "guest/rtnetlink.hh"

#include <algorithm>
#include <doctest/doctest.h>
#include <linux/if_link.h>

using namespace slirpstack;

TEST_CASE("a request is laid out as rtnetlink expects: header, body, aligned attributes")
{
  RouteRequest request(RTM_NEWLINK, NLM_F_ACK);
  request.body<ifinfomsg>().ifi_index = 7;
  request.put(IFLA_MTU, 1500U);
  request.put(IFLA_IFNAME, std::string("tap0"));
  const nlmsghdr& header = request.header();
  CHECK(header.nlmsg_type == RTM_NEWLINK);
  CHECK(header.nlmsg_flags == (NLM_F_REQUEST | NLM_F_ACK));
  // 16 header + 16 ifinfomsg + 8 MTU + 4 + "tap0\0" padded to 8
  CHECK(header.nlmsg_len == 52);
  CHECK(static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(&header))->ifi_index == 7);
}

TEST_CASE("attributes are found by type, absent ones read as zero, surplus types are skipped")
{
  RouteRequest request(RTM_NEWLINK, 0);
  request.body<ifinfomsg>();
  request.put(IFLA_MTU, 65520U);
  request.put(IFLA_ADDRESS, ByteView(std::array<std::uint8_t, 6>{2, 0, 0, 0, 0, 1}));
  const Attributes<IFLA_MTU> attributes(request.header(), sizeof(ifinfomsg));
  CHECK(attributes.u32(IFLA_MTU) == 65520);
  CHECK(attributes.u32(IFLA_IFNAME) == 0);
  CHECK(attributes[IFLA_IFNAME] == nullptr);
  CHECK(attributes.bytes(IFLA_ADDRESS).size() == 6);
  CHECK(attributes.bytes(IFLA_ADDRESS)[5] == 1);
  CHECK(attributes.bytes(IFLA_BROADCAST).empty());
  const Attributes<IFLA_ADDRESS> few(request.header(), sizeof(ifinfomsg));
  CHECK(few.bytes(IFLA_ADDRESS).size() == 6);
}

TEST_CASE("an attribute too short for its number reads as zero")
{
  RouteRequest request(RTM_NEWLINK, 0);
  request.body<ifinfomsg>();
  request.put(IFLA_MTU, ByteView(std::array<std::uint8_t, 2>{0xff, 0xff}));
  const Attributes<IFLA_MAX> attributes(request.header(), sizeof(ifinfomsg));
  CHECK(attributes.u32(IFLA_MTU) == 0);
}
