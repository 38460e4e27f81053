#include "scenario/tcp_guest.hh"

#include <doctest/doctest.h>

namespace slirpstack {

using namespace std::chrono_literals;

TEST_CASE("an absurd MSS on the SYN neither breaks nor multiplies segments")
{
  struct Case
  {
    std::uint16_t announced;
    std::size_t segment_bytes;
  };
  for (const Case& mss : {Case{0, 65495}, // none: the largest
                          Case{1, 88},
                          Case{87, 88},
                          Case{536, 536},
                          Case{65535, 65495}}) {
    CAPTURE(mss.announced);
    World world;
    TcpGuest guest(world);
    guest.connects(plain_syn().mss(mss.announced).window_scale(7));
    guest.host().has(pattern(200000));
    world.settle();
    for (const GuestReceived& packet : world.inbox()) {
      CHECK(packet.bytes.size() <= 65535);
      if (packet.segment_size_bytes != 0) {
        CHECK(packet.segment_size_bytes == mss.segment_bytes);
      } else {
        CHECK(packet.bytes.size() - 40 <= mss.segment_bytes);
      }
    }
    CHECK(guest.receives(200000) == pattern(200000));
  }
}

TEST_CASE("an absurd MSS over IPv6 leaves room for the longer header")
{
  for (const std::uint16_t mss : {0, 65475, 65476, 65535}) {
    CAPTURE(mss);
    World world;
    TcpGuest guest(world, endpoint("fd00::100", 40000), endpoint("2001:db8::1", 80));
    guest.connects(plain_syn().mss(mss).window_scale(7));
    guest.host().has(pattern(200000));
    CHECK(guest.receives(200000) == pattern(200000));
  }
}

TEST_CASE("an MSS that shrinks while data is queued does no harm")
{
  for (const std::uint16_t mss : {0, 1, 20, 500}) {
    CAPTURE(mss);
    World world;
    TcpGuest guest(world);
    guest.connects();
    guest.host().has(pattern(100000));
    std::string received = guest.expects(ACK).data;
    guest.sends(ack().mss(mss).advertising(1)); // and the window almost closed
    guest.host().has(pattern(100));
    world.advance(10s);
    world.loses_all();
    guest.sends(ack().mss(mss));
    world.settle();
    for (int i = 0; i < 100 && received.size() < 100100; ++i) {
      received += guest.hears_all();
      guest.sends(ack().mss(mss));
      world.advance(1s);
    }
    CHECK(received == pattern(100000) + pattern(100));
  }
}

TEST_CASE("every cut of the options is dropped or understood, never read past")
{
  const std::vector<std::uint8_t> options{2, 4, 5, 0xb4, 3, 3,  7, 4, 2, 8, 10, 0, 0, 0, 1, 0,
                                          0, 0, 0, 1,    5, 10, 0, 0, 0, 1, 0,  0, 0, 2, 1, 0};
  for (std::size_t kept = 0; kept <= options.size(); kept += 4) {
    for (const bool established : {false, true}) {
      CAPTURE(kept);
      World world;
      TcpGuest guest(world);
      if (established) {
        guest.connects();
      }
      Segment segment = established ? data("x") : plain_syn();
      segment.options.assign(options.begin(), options.begin() + static_cast<std::ptrdiff_t>(kept));
      guest.sends(segment);
      const auto drops = world.gateway.drops().of(Drop::bad_option);
      const bool taken = established ? guest.host().sent() == "x" : world.host.streams() == 1;
      CHECK(taken == (drops == 0));
    }
  }
}

TEST_CASE("an option that claims more than there is is dropped by name")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  for (const std::vector<std::uint8_t>& options : std::vector<std::vector<std::uint8_t>>{
         {2, 200, 5, 0xb4}, {2, 0, 0, 0}, {2, 1, 0, 0}, {1, 1, 1, 2}, {1, 1, 5, 34}}) {
    guest.sends(ack().option(options));
  }
  CHECK(world.gateway.drops().of(Drop::bad_option) == 5);
  guest.sends(data("fine"));
  CHECK(guest.host().sent() == "fine");
}

} // namespace slirpstack
