#include "scenario/tcp_guest.hh"
#include "wire/checksum.hh"

#include <doctest/doctest.h>

namespace slirpstack {

using namespace std::chrono_literals;

namespace {

using Bytes = std::vector<std::uint8_t>;

/// The IPv4 header's checksum over a header that a test has changed.
void fix_ipv4_checksum(Bytes& packet)
{
  packet[10] = packet[11] = 0;
  Checksum sum;
  sum.add(ByteView(packet).first(IPV4_HEADER_BYTES));
  Writer(MutableBytes(packet).subspan(10, 2)).u16(sum.finish());
}

/// An IPv6 packet with extension headers put in before its TCP header.
Bytes with_extension(const Bytes& packet, std::uint8_t first_header, const Bytes& extension)
{
  Bytes longer(packet);
  longer[6] = first_header;
  const std::size_t length_bytes = packet.size() - IPV6_HEADER_BYTES + extension.size();
  longer[4] = static_cast<std::uint8_t>(length_bytes >> 8U);
  longer[5] = static_cast<std::uint8_t>(length_bytes);
  longer.insert(longer.begin() + IPV6_HEADER_BYTES, extension.begin(), extension.end());
  return longer;
}

} // namespace

TEST_CASE("20,000 out-of-order segments of one byte are held within bounds")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  const std::uint32_t begin = guest.next;
  for (std::uint32_t i = 0; i < 20000; ++i) {
    guest.sends(data("x").at(begin + 1 + 2 * i));
  }
  CHECK(world.pool.used_bytes() < 256 * 256);
  world.loses_all();
  guest.sends(data("y"));
  CHECK(guest.host().sent() == "yx");
  world.advance(60s); // lwIP lets go of what nobody completes
  world.loses_all();
  CHECK(world.pool.used_bytes() == 0);
  CHECK(world.gateway.stack().ticking() == 0);
}

TEST_CASE("a stream of one-byte segments to a stalled host is bounded by the pool")
{
  constexpr std::size_t CEILING_BYTES = 1 << 20;
  World world(World::settings(), CEILING_BYTES);
  TcpGuest guest(world);
  guest.connects();
  guest.host().blocks_writes();
  for (int i = 0; i < 50000; ++i) {
    guest.sends(data("x"));
  }
  CHECK(world.pool.used_bytes() < CEILING_BYTES + 1000);
  CHECK(world.gateway.drops().of(Drop::no_memory) > 0);
  guest.host().unblocks_writes();
  world.settle();
  CHECK(world.pool.used_bytes() == 0);
}

// lwIP asserts that what it has queued fits the window, but trims only the end of the queue.
TEST_CASE("what overruns the window behind a hole is cut off")
{
  World world;
  TcpGuest guest(world);
  guest.connects(plain_syn().mss(1460));
  guest.host().blocks_writes();
  const std::string text = pattern(100000);
  const std::uint32_t begin = guest.next;
  SUBCASE("as the first in the queue")
  {
    guest.sends(data(text.substr(40000, 60000)).with(TCP_FLAG_FIN).at(begin + 40000));
  }
  SUBCASE("before others in the queue")
  {
    guest.sends(data(text.substr(65000, 10)).at(begin + 65000));
    guest.sends(data(text.substr(40000, 60000)).at(begin + 40000));
    guest.sends(data(text.substr(30000, 60000)).at(begin + 30000));
  }
  guest.sends(data(text.substr(0, 40000)));
  guest.host().unblocks_writes();
  world.settle();
  CHECK(guest.host().sent() == text.substr(0, 65535));
  CHECK_FALSE(guest.host().shut_down());
  guest.next = begin + 65535;
  guest.sends(data(text.substr(65535)).with(TCP_FLAG_FIN));
  CHECK(guest.host().sent() == text);
  CHECK(guest.host().shut_down());
}

TEST_CASE("a segment with a wrong checksum is dropped, unless the guest's kernel vouches for it")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  Bytes packet = guest.packet(data("x"));
  packet.back() ^= 1;
  world.guest_sends(packet);
  world.settle();
  CHECK(guest.host().sent().empty());
  CHECK(world.gateway.drops().of(Drop::bad_checksum) == 1);
  world.guest_sends(packet, true);
  world.settle();
  CHECK(guest.host().sent() == "y");
}

TEST_CASE("what claims to be from an address that no host has is dropped without an answer")
{
  World world;
  std::uint64_t dropped = 0;
  for (const char* source : {"255.255.255.255",
                             "224.0.0.1",
                             "0.0.0.0",
                             "127.0.0.1",
                             "10.0.2.2",
                             "ff02::1",
                             "::",
                             "::1",
                             "fd00::2"}) {
    CAPTURE(source);
    const Endpoint from = endpoint(source, 40000);
    TcpGuest guest(world,
                   from,
                   from.address.is_ipv4() ? endpoint("192.0.2.1", 80)
                                          : endpoint("2001:db8::1", 80));
    guest.sends(syn());
    guest.expects_nothing();
    CHECK(world.gateway.drops().of(Drop::spoofed_source) == ++dropped);
  }
  CHECK(world.host.streams() == 0);
}

TEST_CASE("a packet shorter than it claims is dropped, whatever it claims")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  const Bytes packet = guest.packet(data("hello").option({1, 1, 1, 1}));
  for (std::size_t length = 0; length < packet.size(); ++length) {
    CAPTURE(length);
    world.guest_sends(ByteView(packet).first(length), true);
    // The same with an IP header that agrees with it.
    if (length >= IPV4_HEADER_BYTES && length < IPV4_HEADER_BYTES + TCP_HEADER_BYTES + 4) {
      Bytes cut(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(length));
      cut[3] = static_cast<std::uint8_t>(length);
      fix_ipv4_checksum(cut);
      world.guest_sends(cut, true);
    }
    world.settle();
  }
  guest.expects_nothing();
  CHECK(guest.host().sent().empty());
  world.guest_sends(packet);
  world.settle();
  CHECK(guest.host().sent() == "hello");
}

TEST_CASE("Ethernet's padding is not data")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  Bytes packet = guest.packet(data("x"));
  packet.resize(60);
  world.guest_sends(packet);
  world.settle();
  CHECK(guest.host().sent() == "x");
}

TEST_CASE("port 0 gets an answer like any other, and lwIP's listener none of it")
{
  World world;
  TcpGuest guest(world, endpoint("10.0.2.100", 40000), endpoint("192.0.2.1", 0));
  guest.sends(data("x"));
  guest.expects(RST);
  guest.sends(syn().at(5));
  REQUIRE(world.host.streams() == 1);
  world.host.stream(0).fails(host_error(ECONNREFUSED));
  guest.expects(RST_ACK);
}

TEST_CASE("a SYN with FIN or RST opens nothing")
{
  for (const std::uint8_t flags : {TCP_FLAG_FIN, TCP_FLAG_RST, TCP_FLAG_ACK}) {
    CAPTURE(flags);
    World world;
    TcpGuest guest(world);
    guest.sends(plain_syn().with(flags));
    CHECK(world.host.streams() == 0);
    CHECK(world.gateway.flows().size() == 0);
  }
}

TEST_CASE("IPv6 extension headers before TCP are walked, up to a limit")
{
  World world;
  TcpGuest guest(world, endpoint("fd00::100", 40000), endpoint("2001:db8::1", 80));
  guest.connects();
  const auto options = [](std::uint8_t next) { return Bytes{next, 0, 1, 4, 0, 0, 0, 0}; };
  std::string wanted;
  for (std::size_t count = 1; count <= 12; ++count) {
    CAPTURE(count);
    Bytes chain;
    for (std::size_t i = 0; i < count; ++i) {
      const Bytes header = options(i + 1 < count ? PROTOCOL_DESTINATION_OPTIONS : PROTOCOL_TCP);
      chain.insert(chain.end(), header.begin(), header.end());
    }
    world.guest_sends(with_extension(guest.packet(data("x")), PROTOCOL_DESTINATION_OPTIONS, chain));
    world.settle();
    if (count <= 8) {
      ++guest.next;
      wanted += "x";
    }
    CHECK(guest.host().sent() == wanted);
  }
  // A chain that leaves the packet.
  world.guest_sends(with_extension(
    guest.packet(data("x")), PROTOCOL_DESTINATION_OPTIONS, {PROTOCOL_TCP, 255, 1, 4, 0, 0, 0, 0}));
  world.settle();
  CHECK(guest.host().sent() == wanted);
}

TEST_CASE("a TCP segment in fragments is put together")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  const std::string text = pattern(3000);
  const Bytes whole = guest.packet(data(text));
  fragment_packet(whole, 1500, 7, [&](ByteView header, ByteView payload) {
    Bytes piece(header.begin(), header.end());
    piece.insert(piece.end(), payload.begin(), payload.end());
    world.guest_sends(piece);
  });
  world.settle();
  CHECK(guest.host().sent() == text);
}

TEST_CASE("fragments that are never finished are bounded and forgotten")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  const Bytes whole = guest.packet(data(pattern(3000)));
  for (std::uint16_t id = 0; id < 20000; ++id) {
    int number = 0;
    fragment_packet(whole, 1500, id, [&](ByteView header, ByteView payload) {
      if (number++ == 0) { // the first alone
        Bytes piece(header.begin(), header.end());
        piece.insert(piece.end(), payload.begin(), payload.end());
        world.guest_sends(piece);
      }
    });
  }
  CHECK(world.gateway.drops().of(Drop::fragment_limit) > 0);
  CHECK(world.pool.used_bytes() == 0);
  world.advance(2min);
  CHECK(world.gateway.next_deadline() > world.now() + 1h);
  CHECK(world.gateway.drops().of(Drop::fragment_timeout) > 0);
  world.loses_all(); // ICMP: reassembly time exceeded
  guest.sends(data("fine"));
  CHECK(guest.host().sent() == "fine");
}

TEST_CASE("a reset that only guesses the window is challenged")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.sends(rst().at(guest.next + 1000));
  CHECK(guest.expects(ACK).tcp.acknowledgment == guest.next);
  CHECK(world.gateway.flows().size() == 1);
  guest.sends(rst().at(guest.next - 1000));
  guest.expects_nothing();
  CHECK(world.gateway.flows().size() == 1);
}

TEST_CASE("urgent data is data")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  Bytes packet = guest.packet(data("abc").with(TCP_FLAG_URG));
  packet[IPV4_HEADER_BYTES + 19] = 3; // the urgent pointer
  world.guest_sends(packet, true);
  world.settle();
  CHECK(guest.host().sent() == "abc");
}

TEST_CASE("an acknowledgment of what was never sent frees nothing")
{
  World world;
  TcpGuest guest(world);
  guest.connects();
  guest.host().has("data");
  const std::string text = guest.expects(ACK).data;
  guest.sends(ack().acknowledging(guest.heard + 100000));
  guest.sends(ack().acknowledging(guest.heard - 100000));
  world.loses_all();
  world.advance(1500ms);
  CHECK(guest.expects_again(ACK).data == text);
}

} // namespace slirpstack
