#include "gateway/guest_sender.hh"

#include "scenario/fake_guest.hh"
#include "wire/fragment.hh"

#include <doctest/doctest.h>
#include <numeric>
#include <variant>
#include <vector>

namespace slirpstack {

namespace {

const Endpoint GUEST4{IpAddress::parse("10.0.2.100").value(), 4000};
const Endpoint GUEST6{IpAddress::parse("fd00::100").value(), 4000};
const Endpoint REMOTE4{IpAddress::parse("192.0.2.1").value(), 7};
const Endpoint REMOTE6{IpAddress::parse("2001:db8::1").value(), 7};

using Bytes = std::vector<std::uint8_t>;

Bytes pattern(std::size_t length_bytes)
{
  Bytes bytes(length_bytes);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{1});
  return bytes;
}

Bytes copy(ByteView bytes)
{
  return {bytes.begin(), bytes.end()};
}

/// What the guest's kernel makes of fragments.
Bytes reassembled(const std::vector<GuestReceived>& fragments)
{
  DropCounters drops;
  Reassembler reassembler(drops);
  for (const GuestReceived& fragment : fragments) {
    auto result = reassembler.add(fragment.ip(), fragment.bytes, TimePoint{});
    if (auto* const whole = std::get_if<Reassembler::Packet>(&result)) {
      return std::move(*whole);
    }
  }
  return {};
}

struct World
{
  FakeGuest guest;
  GuestSender sender{guest};
};

} // namespace

TEST_CASE("a datagram of any size that fits leaves whole, its checksum left to the device")
{
  World world;
  for (const std::size_t size : {0U, 1U, 1472U}) {
    CAPTURE(size);
    const Bytes data = pattern(size);
    world.sender.send_udp(REMOTE4, GUEST4, data);
    const GuestReceived got = world.guest.take_one();
    CHECK(got.udp_from() == REMOTE4);
    CHECK(got.udp_to() == GUEST4);
    CHECK(copy(got.udp_data()) == data);
    CHECK(got.checksum == ChecksumState::partial);
    CHECK(got.checksum_is_right());
    CHECK(got.ip().hop_limit == 64);
    CHECK(got.segment_size_bytes == 0);
  }
}

TEST_CASE("an IPv6 datagram has its own headers")
{
  World world;
  world.sender.send_udp(REMOTE6, GUEST6, pattern(1000));
  const GuestReceived got = world.guest.take_one();
  CHECK(got.udp_from() == REMOTE6);
  CHECK(got.headers_length_bytes == 48);
  CHECK(got.checksum_is_right());
}

TEST_CASE("a datagram over the guest's MTU leaves in fragments with a finished checksum")
{
  World world;
  for (const bool is_ipv4 : {true, false}) {
    for (const std::size_t size : {1473U, 20000U, 65507U}) {
      CAPTURE(is_ipv4);
      CAPTURE(size);
      const Bytes data = pattern(size);
      world.sender.send_udp(is_ipv4 ? REMOTE4 : REMOTE6, is_ipv4 ? GUEST4 : GUEST6, data);
      const auto fragments = world.guest.take();
      CHECK(fragments.size() > 1);
      for (const GuestReceived& fragment : fragments) {
        CHECK(fragment.bytes.size() <= 1500);
        CHECK(fragment.checksum == ChecksumState::complete);
      }
      GuestReceived whole;
      whole.bytes = reassembled(fragments);
      REQUIRE_FALSE(whole.bytes.empty());
      CHECK(whole.checksum_is_right());
      CHECK(copy(whole.udp_data()) == data);
    }
  }
}

TEST_CASE("fragments of two datagrams have different identifications")
{
  World world;
  world.sender.send_udp(REMOTE4, GUEST4, pattern(2000));
  world.sender.send_udp(REMOTE4, GUEST4, pattern(2000));
  const auto fragments = world.guest.take();
  REQUIRE(fragments.size() == 4);
  CHECK(fragments[0].ip().identification == fragments[1].ip().identification);
  CHECK(fragments[0].ip().identification != fragments[2].ip().identification);
}

TEST_CASE("datagrams of one size leave as one super-packet, their payload not copied together")
{
  World world;
  const Bytes full = pattern(1400);
  const Bytes rest = pattern(9);
  const std::vector<ByteView> datagrams{full, full, rest};
  world.sender.send_udp(REMOTE4, GUEST4, datagrams);
  const GuestReceived got = world.guest.take_one();
  CHECK(got.segment_size_bytes == 1400);
  CHECK(got.headers_length_bytes == 28);
  CHECK(got.pieces == 4);
  CHECK(got.udp().length_bytes == 8 + 2809);
  CHECK(got.checksum_is_right());
}

TEST_CASE("where the guest's kernel cuts nothing, each datagram leaves by itself")
{
  World world;
  world.guest.set_cuts_udp(false);
  const Bytes full = pattern(1400);
  const std::vector<ByteView> datagrams{full, full};
  world.sender.send_udp(REMOTE4, GUEST4, datagrams);
  CHECK(world.guest.take().size() == 2);
  world.sender.send_udp(REMOTE4, GUEST4, pattern(2801), 1400);
  const auto got = world.guest.take();
  REQUIRE(got.size() == 3);
  CHECK(got[0].udp_data().size() == 1400);
  CHECK(got[2].udp_data().size() == 1);
}

TEST_CASE("a super-datagram of the host goes to the guest whole, in steps that a device takes")
{
  World world;
  world.sender.send_udp(REMOTE4, GUEST4, pattern(10000), 1000);
  CHECK(world.guest.take_one().segment_size_bytes == 1000);
  world.sender.send_udp(REMOTE4, GUEST4, pattern(650), 10);
  const auto got = world.guest.take();
  REQUIRE(got.size() == 2);
  CHECK(got[0].udp_data().size() == 640);
  CHECK(got[1].udp_data().size() == 10);
  CHECK(got[1].segment_size_bytes == 0);
}

TEST_CASE("super-datagrams of the host over the guest's MTU are cut and fragmented")
{
  World world;
  world.sender.send_udp(REMOTE4, GUEST4, pattern(4000), 2000);
  CHECK(world.guest.take().size() == 4);
}

TEST_CASE("an echo reply keeps identifier, sequence, data and has a right checksum")
{
  World world;
  const Bytes data = pattern(57);
  const IcmpEcho reply{.is_reply = true, .identifier = 7, .sequence = 9, .data = data};
  for (const bool is_ipv4 : {true, false}) {
    CAPTURE(is_ipv4);
    const IpAddress& to = is_ipv4 ? GUEST4.address : GUEST6.address;
    world.sender.send_echo(is_ipv4 ? REMOTE4.address : REMOTE6.address, to, reply, 55);
    const GuestReceived got = world.guest.take_one();
    CHECK(got.ip().hop_limit == 55);
    CHECK(got.checksum_is_right());
    CHECK(got.echo().is_reply);
    CHECK(got.echo().identifier == 7);
    CHECK(got.echo().sequence == 9);
    CHECK(copy(got.echo().data) == data);
  }
}

TEST_CASE("an echo reply of the largest size arrives in fragments")
{
  World world;
  const Bytes data = pattern(65507);
  const IcmpEcho reply{.is_reply = true, .identifier = 7, .sequence = 9, .data = data};
  world.sender.send_echo(REMOTE4.address, GUEST4.address, reply);
  GuestReceived whole;
  whole.bytes = reassembled(world.guest.take());
  REQUIRE_FALSE(whole.bytes.empty());
  CHECK(whole.checksum_is_right());
  CHECK(copy(whole.echo().data) == data);
}

TEST_CASE("what no packet can hold is not sent")
{
  World world;
  world.sender.send_udp(REMOTE4, GUEST4, pattern(65508));
  CHECK(world.guest.received().empty());
}

} // namespace slirpstack
