// Frames that a device has summed up (CHECKSUM_COMPLETE), as the receiver's kernel sees them then.

#include "accel/nat_table.hh"
#include "frame.hh"
#include "frame_socket.hh"
#include "network.hh"

#include <algorithm>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <net/if.h>
#include <utility>

using namespace slirpstack;
using namespace slirpstack::test;

namespace {

constexpr MacAddress TUNNEL{{2, 0, 0, 0, 1, 4}};
const Endpoint TUNNEL_FAR = at("192.0.2.1:40000");
const Endpoint TUNNEL_NEAR = at("192.0.2.2:4789");
const Endpoint REMOTE = at("[2001:db8:99::53]:53");
const Endpoint GUEST = at("[2001:db8:1::5]:5000");

/// What comes out of a tunnel has a sum without a device for that, if the kernel has had to verify
/// the outer checksum. False: it has no such tunnels.
bool make_tunnel()
{
  return succeeds(fmt::format("ip address add 192.0.2.2/24 dev external"
                              " && ip link add tunnel type vxlan id 7 dev external"
                              " local 192.0.2.2 dstport 4789 nolearning"
                              " && ip link set tunnel address {} up",
                              TUNNEL.to_string()));
}

/// As it is in the tunnel (RFC 7348 section 5).
Bytes in_tunnel(const Bytes& inner)
{
  constexpr std::size_t HEADER_BYTES = 8;
  Bytes data(HEADER_BYTES + inner.size());
  data[0] = 8; // there is a number
  data[6] = 7;
  std::ranges::copy(inner, data.begin() + HEADER_BYTES);
  Packet outer = between(TUNNEL_FAR, TUNNEL_NEAR);
  outer.data = std::move(data);
  return frame({EXTERNAL, WORLD, {}}, build(outer));
}

/// What comes to the prefix is the first guest's, `GUEST`.
void map_to_guest(const NatAccelerator& nat, const Prefix& external)
{
  nat_prefix_key key{};
  key.prefix_length = 32 + external.length_bits();
  key.side = NAT_PREFIX_EXTERNAL;
  std::ranges::copy(external.network().bytes(), std::begin(key.address));
  nat_prefix to{};
  std::ranges::copy(Prefix::parse("2001:db8:1::/64")->network().bytes(), std::begin(to.prefix));
  to.length = 64;
  to.ifindex = ::if_nametoindex("guest1");
  to.mtu = 1500;
  std::ranges::copy(FIRST_GUEST.bytes, std::begin(to.guest_mac));
  NatTable<nat_prefix_key, nat_prefix>(nat.object().map("prefixes")).put(key, to);
}

} // namespace

TEST_CASE("the sum of an IPv6 frame is right when its addresses are mapped")
{
  const Network network(NatHook::tc);
  const auto nat = network.start();
  if (!make_tunnel()) {
    MESSAGE("this kernel has no VXLAN");
    return;
  }
  nat->attach_external(static_cast<int>(::if_nametoindex("tunnel")));
  shell("ip -n first address add 2001:db8:1::5/64 dev eth0 nodad");
  const FileDescriptor guest = socket_at("first", SOCK_DGRAM, GUEST);
  const FrameSocket world("world");
  nat_route way{};
  way.ifindex = ::if_nametoindex("tunnel"); // so that whoever sends is outside
  NatTable<nat_route6_key, nat_route>(nat->object().map("routes6")).put({}, way);
  map_to_guest(*nat, Prefix::parse("2001:db8:2::/64").value());
  map_to_guest(*nat, Prefix::parse("2001:db8:1::/64").value()); // only the hop limit changes
  for (const char* external : {"[2001:db8:2::5]:5000", "[2001:db8:1::5]:5000"}) {
    CAPTURE(external);
    const Bytes inner
      = frame({TUNNEL, WORLD, {}}, build_v6(REMOTE, at(external), {}, Bytes(101, 'x')));
    world.send(in_tunnel(inner));
    CHECK(receive(guest.get()));
  }
}
