#include "wire/fragment.hh"

#include "sample.hh"
#include "vectors.hh"
#include "wire/transport_checksum.hh"

#include <algorithm>

using namespace slirpstack;
using namespace sample;
using namespace std::chrono_literals;

namespace {

const TimePoint START{};

/// A whole packet with that much random data behind a UDP header, checksum right.
Bytes datagram(Random& random, Family family, std::size_t data_bytes)
{
  const bool is_ipv4 = family == Family::ipv4;
  IpHeader header;
  header.source = address(is_ipv4 ? "192.0.2.100" : "2001:db8::100");
  header.destination = address(is_ipv4 ? "198.51.100.7" : "2001:db8:1::7");
  header.protocol = PROTOCOL_UDP;
  header.total_length_bytes = static_cast<std::uint32_t>((is_ipv4 ? 20 : 40) + 8 + data_bytes);
  Bytes packet(header.total_length_bytes);
  Writer writer(packet);
  write_ip_header(writer, header);
  writer.u32(0x04d20035);
  writer.u16(static_cast<std::uint16_t>(8 + data_bytes));
  writer.u16(0);
  writer.bytes(random.bytes(data_bytes));
  fill_transport_checksum(header, MutableBytes(packet).subspan(is_ipv4 ? 20 : 40));
  return packet;
}

std::vector<Bytes> cut(const Bytes& packet, std::size_t mtu_bytes, std::uint32_t identification)
{
  std::vector<Bytes> fragments;
  const std::size_t count = fragment_packet(
    packet, mtu_bytes, identification, [&fragments](ByteView header, ByteView payload) {
      Bytes fragment = copy(header);
      fragment.insert(fragment.end(), payload.begin(), payload.end());
      fragments.push_back(fragment);
    });
  CHECK(count == fragments.size());
  return fragments;
}

/// A fragment made by hand: `data_bytes` bytes of value `fill`.
Bytes fragment(Family family,
               std::size_t offset_bytes,
               std::size_t data_bytes,
               bool more,
               std::uint32_t identification = 1,
               std::uint8_t fill = 0x41)
{
  IpHeader header;
  const bool is_ipv4 = family == Family::ipv4;
  header.source = address(is_ipv4 ? "192.0.2.100" : "2001:db8::100");
  header.destination = address(is_ipv4 ? "198.51.100.7" : "2001:db8:1::7");
  header.protocol = is_ipv4 ? PROTOCOL_UDP : PROTOCOL_FRAGMENT;
  header.total_length_bytes = static_cast<std::uint32_t>((is_ipv4 ? 20 : 48) + data_bytes);
  header.fragment_offset_bytes = static_cast<std::uint16_t>(offset_bytes);
  header.more_fragments = more;
  header.identification = identification;
  Bytes packet(header.total_length_bytes, fill);
  Writer writer(packet);
  write_ip_header(writer, header);
  if (!is_ipv4) {
    writer.u16(std::uint16_t{PROTOCOL_UDP} << 8U);
    writer.u16(static_cast<std::uint16_t>(offset_bytes | (more ? 1U : 0U)));
    writer.u32(identification);
  }
  return packet;
}

/// A reassembler with its counters and a clock moved by hand.
struct Bench
{
  explicit Bench(ReassemblyLimits limits = {}) : reassembler(drops, limits) {}

  Reassembler::Result add(const Bytes& packet)
  {
    const auto header = IpHeader::parse(packet);
    REQUIRE(header);
    REQUIRE(header->is_fragment());
    return reassembler.add(*header, packet, now);
  }
  bool waits(const Bytes& packet)
  {
    return std::holds_alternative<Reassembler::Incomplete>(add(packet));
  }
  bool completes(const Bytes& packet)
  {
    return std::holds_alternative<Reassembler::Packet>(add(packet));
  }
  bool drops_as(const Bytes& packet, Drop reason)
  {
    const auto result = add(packet);
    return std::holds_alternative<Drop>(result) && std::get<Drop>(result) == reason;
  }

  DropCounters drops;
  TimePoint now = START;
  Reassembler reassembler;
};

const Family FAMILIES[] = {Family::ipv4, Family::ipv6};

} // namespace

TEST_CASE("a packet cut and put together again in any order is the same")
{
  Random random;
  for (const Family family : FAMILIES) {
    for (const std::size_t mtu_bytes : {1280U, 1500U, 9000U}) {
      for (const std::size_t data_bytes : {9001U, 20000U, 65507U}) {
        CAPTURE(mtu_bytes);
        CAPTURE(data_bytes);
        const Bytes whole = datagram(random, family, data_bytes);
        std::vector<Bytes> fragments = cut(whole, mtu_bytes, 0xabcd);
        std::shuffle(fragments.begin(), fragments.end(), std::mt19937(data_bytes));
        Bench bench;
        Reassembler::Result last;
        for (const Bytes& each : fragments) {
          CHECK(each.size() <= mtu_bytes);
          last = bench.add(each);
        }
        REQUIRE(std::holds_alternative<Reassembler::Packet>(last));
        Bytes back = std::get<Reassembler::Packet>(last);
        if (family == Family::ipv4) {
          CHECK(IpHeader::parse(back));
          std::copy_n(whole.begin() + 4, 2, back.begin() + 4); // the identification is new
          std::copy_n(whole.begin() + 10, 2, back.begin() + 10);
        }
        CHECK(back == whole);
        CHECK(bench.reassembler.held_bytes() == 0);
        CHECK(bench.reassembler.held_datagrams() == 0);
      }
    }
  }
}

TEST_CASE("fragments carry multiples of eight bytes and say where they belong")
{
  Random random;
  for (const Family family : FAMILIES) {
    const std::vector<Bytes> fragments = cut(datagram(random, family, 3000), 1300, 77);
    CHECK(fragments.size() == 3);
    std::size_t expected_offset = 0;
    for (std::size_t i = 0; i < fragments.size(); ++i) {
      CAPTURE(i);
      const auto header = IpHeader::parse(fragments[i]);
      REQUIRE(header);
      CHECK(header->identification == 77);
      CHECK(header->protocol == PROTOCOL_UDP);
      CHECK(header->fragment_offset_bytes == expected_offset);
      CHECK(header->more_fragments == (i + 1 < fragments.size()));
      CHECK((header->payload_length_bytes() % 8 == 0 || i + 1 == fragments.size()));
      expected_offset += header->payload_length_bytes();
    }
    CHECK(expected_offset == 3008);
  }
}

TEST_CASE("a packet that fits is given as it is")
{
  Random random;
  const Bytes whole = datagram(random, Family::ipv4, 100);
  CHECK(cut(whole, whole.size(), 1) == std::vector<Bytes>{whole});
}

TEST_CASE("what cannot be cut is not")
{
  Random random;
  Bytes whole = datagram(random, Family::ipv4, 2000);
  CHECK(cut(whole, 27, 1).empty());
  CHECK(cut(Bytes(whole.begin(), whole.begin() + 100), 1500, 1).empty());
  CHECK(cut(fragment(Family::ipv4, 0, 2000, true), 1500, 1).empty());
  whole[6] = 0x40;
  CHECK(cut(whole, 1500, 1).empty());
}

TEST_CASE("IPv6 headers before the fragment header stay, the fragment header goes")
{
  // The vector is the fragment at offset 16; the first one is made from it.
  const Bytes second = hex(vectors::IPV6_FRAGMENT);
  Bytes first = second;
  first[51] = 0x01; // offset 0, more
  Bytes last = second;
  last[51] = 0x20; // offset 32, no more
  Bench bench;
  CHECK(bench.waits(last));
  CHECK(bench.waits(first));
  const auto result = bench.add(second);
  REQUIRE(std::holds_alternative<Reassembler::Packet>(result));
  const Bytes whole = std::get<Reassembler::Packet>(result);
  CHECK(whole.size() == 48 + 48);
  const auto header = IpHeader::parse(whole);
  REQUIRE(header);
  CHECK_FALSE(header->is_fragment());
  CHECK(header->protocol == PROTOCOL_UDP);
  CHECK(header->header_length_bytes == 48);
  CHECK(header->total_length_bytes == whole.size());
}

TEST_CASE("an exact duplicate is ignored")
{
  for (const Family family : FAMILIES) {
    Bench bench;
    CHECK(bench.waits(fragment(family, 0, 16, true)));
    const std::size_t held = bench.reassembler.held_bytes();
    CHECK(bench.waits(fragment(family, 0, 16, true)));
    CHECK(bench.reassembler.held_bytes() == held);
    CHECK(bench.completes(fragment(family, 16, 5, false)));
  }
}

TEST_CASE("an overlap ends the datagram and all that still comes of it")
{
  struct Case
  {
    std::string what;
    std::size_t offset;
    std::size_t length;
    bool more;
    std::uint8_t fill;
  };
  const Case cases[] = {
    {"over the first's end", 8, 16, true, 0x41},
    {"over the second's start", 24, 16, true, 0x41},
    {"inside", 8, 8, true, 0x41},
    {"around", 0, 48, true, 0x41},
    {"same place, other bytes", 0, 16, true, 0x42},
    {"same bytes, but the last", 32, 16, false, 0x41},
    {"last before what came", 24, 4, false, 0x41},
  };
  for (const Family family : FAMILIES) {
    for (const Case& each : cases) {
      CAPTURE(each.what);
      Bench bench;
      CHECK(bench.waits(fragment(family, 0, 16, true)));
      CHECK(bench.waits(fragment(family, 32, 16, true)));
      CHECK(bench.drops_as(fragment(family, each.offset, each.length, each.more, 1, each.fill),
                           Drop::fragment_overlap));
      CHECK(bench.drops_as(fragment(family, 16, 16, true), Drop::fragment_overlap));
      CHECK(bench.drops_as(fragment(family, 48, 8, false), Drop::fragment_overlap));
      CHECK(bench.reassembler.held_bytes() == 0);
      CHECK(bench.waits(fragment(family, 0, 16, true, 2)));
    }
  }
}

TEST_CASE("nothing may lie behind the last fragment")
{
  Bench bench;
  CHECK(bench.waits(fragment(Family::ipv4, 16, 8, false)));
  CHECK(bench.drops_as(fragment(Family::ipv4, 24, 8, true), Drop::fragment_overlap));
  CHECK(bench.waits(fragment(Family::ipv4, 16, 8, false, 2)));
  CHECK(bench.drops_as(fragment(Family::ipv4, 24, 8, false, 2), Drop::fragment_overlap));
}

TEST_CASE("a fragment that cannot be right is refused by itself")
{
  for (const Family family : FAMILIES) {
    Bench bench;
    CHECK(bench.drops_as(fragment(family, 0, 12, true), Drop::bad_length));
    CHECK(bench.drops_as(fragment(family, 8, 0, false), Drop::bad_length));
    CHECK(bench.drops_as(fragment(family, 65528, 16, false), Drop::bad_length));
    CHECK(bench.reassembler.held_datagrams() == 0);
  }
}

TEST_CASE("datagrams are told apart by everything that names them")
{
  Bench bench;
  CHECK(bench.waits(fragment(Family::ipv4, 0, 8, true, 1)));
  CHECK(bench.waits(fragment(Family::ipv4, 8, 8, false, 2)));
  CHECK(bench.waits(fragment(Family::ipv6, 8, 8, false, 1)));
  CHECK(bench.reassembler.held_datagrams() == 3);
  CHECK(bench.completes(fragment(Family::ipv4, 8, 8, false, 1)));
  CHECK(bench.completes(fragment(Family::ipv6, 0, 8, true, 1)));
}

TEST_CASE("the oldest datagram makes room for one too many")
{
  Bench bench({.datagrams = 2});
  CHECK(bench.waits(fragment(Family::ipv4, 0, 8, true, 1)));
  CHECK(bench.waits(fragment(Family::ipv4, 0, 8, true, 2)));
  CHECK(bench.waits(fragment(Family::ipv4, 0, 8, true, 3)));
  CHECK(bench.drops.of(Drop::fragment_limit) == 1);
  CHECK(bench.reassembler.held_datagrams() == 2);
  CHECK(bench.completes(fragment(Family::ipv4, 8, 8, false, 2)));
}

TEST_CASE("the oldest datagram makes room for bytes too many")
{
  Bench bench({.bytes = 3000});
  CHECK(bench.waits(fragment(Family::ipv4, 0, 1000, true, 1)));
  CHECK(bench.waits(fragment(Family::ipv4, 0, 1000, true, 2)));
  CHECK(bench.waits(fragment(Family::ipv4, 0, 1000, true, 3)));
  CHECK(bench.drops.of(Drop::fragment_limit) == 1);
  CHECK(bench.reassembler.held_bytes() <= 3000);
  CHECK(bench.waits(fragment(Family::ipv4, 1000, 1000, true, 3))); // 2 goes, not 3 itself
  CHECK(bench.drops.of(Drop::fragment_limit) == 2);
  CHECK(bench.drops_as(fragment(Family::ipv4, 2000, 1000, true, 3), Drop::fragment_limit));
  CHECK(bench.reassembler.held_bytes() == 0);
}

TEST_CASE("a datagram in too many pieces is given up")
{
  Bench bench({.fragments_per_datagram = 3});
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(bench.waits(fragment(Family::ipv6, i * 8, 8, true)));
  }
  CHECK(bench.drops_as(fragment(Family::ipv6, 24, 8, true), Drop::fragment_limit));
  CHECK(bench.drops_as(fragment(Family::ipv6, 32, 8, false), Drop::fragment_limit));
}

TEST_CASE("a guest that never finishes holds no more than the limit")
{
  Bench bench;
  for (std::uint32_t i = 0; i < 5000; ++i) {
    CHECK(bench.waits(fragment(Family::ipv6, 8, 1400, true, i)));
  }
  CHECK(bench.reassembler.held_bytes() <= ReassemblyLimits{}.bytes);
  CHECK(bench.reassembler.held_datagrams() <= ReassemblyLimits{}.datagrams);
}

TEST_CASE("a datagram out of time gives its first fragment back")
{
  Bench bench;
  CHECK(bench.reassembler.next_deadline() == NEVER);
  const Bytes first6 = fragment(Family::ipv6, 0, 16, true);
  const Bytes first4 = fragment(Family::ipv4, 0, 16, true);
  CHECK(bench.waits(fragment(Family::ipv6, 16, 16, true)));
  CHECK(bench.waits(first6));
  CHECK(bench.waits(first4));
  CHECK(bench.waits(fragment(Family::ipv4, 16, 16, true, 9))); // its first never came
  CHECK(bench.reassembler.next_deadline() == START + 30s);

  CHECK(bench.reassembler.expire(START + 29s).empty());
  CHECK(bench.reassembler.expire(START + 30s) == std::vector<Bytes>{first4});
  CHECK(bench.drops.of(Drop::fragment_timeout) == 2);
  CHECK(bench.reassembler.next_deadline() == START + 60s);
  CHECK(bench.reassembler.expire(START + 60s) == std::vector<Bytes>{first6});
  CHECK(bench.reassembler.held_bytes() == 0);
  CHECK(bench.reassembler.next_deadline() == NEVER);
}

TEST_CASE("a fragment that comes too late starts anew")
{
  Bench bench;
  CHECK(bench.waits(fragment(Family::ipv4, 0, 8, true)));
  bench.now = START + 31s;
  CHECK(bench.waits(fragment(Family::ipv4, 8, 8, false)));
  CHECK(bench.drops.of(Drop::fragment_timeout) == 1);
  CHECK(bench.reassembler.held_datagrams() == 1);
}

TEST_CASE("a datagram that was dropped is not counted a second time when its time is out")
{
  Bench bench;
  CHECK(bench.waits(fragment(Family::ipv4, 0, 16, true)));
  CHECK(bench.drops_as(fragment(Family::ipv4, 8, 16, true), Drop::fragment_overlap));
  CHECK(bench.reassembler.expire(START + 30s).empty());
  CHECK(bench.drops.of(Drop::fragment_timeout) == 0);
  CHECK(bench.reassembler.held_datagrams() == 0);
}
