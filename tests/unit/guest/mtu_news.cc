#include "guest/mtu_news.hh"

#include "guest/rtnetlink.hh"

#include <doctest/doctest.h>
#include <vector>

namespace slirpstack {

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes news(unsigned type, int index, std::uint32_t mtu_bytes)
{
  RouteRequest message(type, 0);
  message.body<ifinfomsg>().ifi_index = index;
  message.put(IFLA_MTU, mtu_bytes);
  const auto* const begin = reinterpret_cast<const std::uint8_t*>(&message.header());
  return {begin, begin + message.header().nlmsg_len};
}

Bytes operator+(Bytes one, const Bytes& other)
{
  one.insert(one.end(), other.begin(), other.end());
  return one;
}

} // namespace

TEST_CASE("the last MTU of the interface counts, and no other's")
{
  CHECK_FALSE(mtu_in({}, 2));
  CHECK(mtu_in(news(RTM_NEWLINK, 2, 9000), 2) == 9000U);
  CHECK_FALSE(mtu_in(news(RTM_NEWLINK, 3, 9000), 2));
  CHECK_FALSE(mtu_in(news(RTM_DELLINK, 2, 9000), 2));
  CHECK_FALSE(mtu_in(news(RTM_NEWLINK, 2, 0), 2));
  const Bytes several = news(RTM_NEWLINK, 2, 9000) + news(RTM_NEWLINK, 3, 1280)
                        + news(RTM_NEWLINK, 2, 1400) + news(RTM_DELLINK, 2, 1500);
  CHECK(mtu_in(several, 2) == 1400U);
}

TEST_CASE("news that are cut say nothing")
{
  const Bytes whole = news(RTM_NEWLINK, 2, 9000);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    CHECK_FALSE(mtu_in(Bytes(whole.begin(), whole.begin() + std::ptrdiff_t(length)), 2));
  }
}

} // namespace slirpstack
