#include "wire/ipv4_split.hh"

#include "sample.hh"
#include "vectors.hh"
#include "wire/checksum.hh"

#include <algorithm>

using namespace slirpstack;
using namespace sample;

namespace {

constexpr std::uint8_t NO_OPERATION = 1;
constexpr std::uint8_t END = 0;
const Bytes RECORD_ROUTE = {7, 7, 4, 0, 0, 0, 0};
const Bytes ROUTER_ALERT = {0x94, 4, 0, 0}; // RFC 2113: copied

Bytes joined(std::initializer_list<Bytes> parts)
{
  Bytes all;
  for (const Bytes& part : parts) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

/// `flags_and_offset` as in the header. Options are a multiple of four bytes.
Bytes packet(const Bytes& options, const Bytes& data, std::uint16_t flags_and_offset = 0)
{
  Bytes bytes(IPV4_HEADER_BYTES);
  Writer writer(bytes);
  IpHeader header;
  header.source = address("192.0.2.100");
  header.destination = address("198.51.100.7");
  header.protocol = PROTOCOL_UDP;
  header.traffic_class = 0xb8;
  header.hop_limit = 17;
  header.identification = 0x1234;
  header.total_length_bytes
    = static_cast<std::uint32_t>(IPV4_HEADER_BYTES + options.size() + data.size());
  write_ip_header(writer, header);
  bytes.insert(bytes.end(), options.begin(), options.end());
  bytes[0] = static_cast<std::uint8_t>(0x40U | bytes.size() / 4);
  Writer(MutableBytes(bytes).subspan(6)).u16(flags_and_offset);
  Writer(MutableBytes(bytes).subspan(10)).u16(0);
  Checksum sum;
  sum.add(bytes);
  Writer(MutableBytes(bytes).subspan(10)).u16(sum.finish());
  bytes.insert(bytes.end(), data.begin(), data.end());
  return bytes;
}

std::vector<Bytes> split(const Bytes& packet, std::size_t mtu_bytes)
{
  std::vector<Bytes> pieces;
  const std::size_t count = split_ipv4(packet, mtu_bytes, [&](ByteView header, ByteView payload) {
    pieces.push_back(joined({copy(header), copy(payload)}));
  });
  CHECK(count == pieces.size());
  return pieces;
}

Bytes options_of(const Bytes& packet)
{
  return {packet.begin() + IPV4_HEADER_BYTES, packet.begin() + (packet[0] & 0xf) * 4};
}

} // namespace

TEST_CASE("a packet that fits its route stays as it is")
{
  Random random;
  for (const std::uint16_t flags : {0, 0x4000, 0x2000, 0x2007}) {
    const Bytes whole = packet(RECORD_ROUTE, random.bytes(64), flags);
    CHECK(split(joined({whole, Bytes(3, 0xab)}), whole.size()) == std::vector<Bytes>{whole});
  }
}

TEST_CASE("a packet that is cut on its way keeps all but its length and place")
{
  Random random;
  const Bytes data = random.bytes(100);
  const std::vector<Bytes> pieces = split(packet({}, data), 20 + 55);
  REQUIRE(pieces.size() == 3);
  const std::uint16_t places[] = {0x2000, 0x2006, 12};
  const std::size_t lengths[] = {48, 48, 4};
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    CAPTURE(i);
    const auto begin = data.begin() + static_cast<std::ptrdiff_t>(i * 48);
    CHECK(pieces[i]
          == packet({}, {begin, begin + static_cast<std::ptrdiff_t>(lengths[i])}, places[i]));
  }
}

TEST_CASE("of a packet's options those marked as copied go with each piece")
{
  Random random;
  const Bytes data = random.bytes(64);
  const Bytes options
    = joined({{NO_OPERATION}, RECORD_ROUTE, ROUTER_ALERT, {END, 0x94, 0x40, 0xff}});
  const std::vector<Bytes> pieces = split(packet(options, data), 60);
  REQUIRE(pieces.size() == 3); // 24 bytes behind 36, twice 32 behind 24
  CHECK(options_of(pieces[0]) == options);
  CHECK(options_of(pieces[1]) == ROUTER_ALERT);
  CHECK(options_of(pieces[2]) == ROUTER_ALERT);
  for (const Bytes& piece : pieces) {
    CHECK(IpHeader::parse(piece)); // with a right checksum
  }
  const Bytes odd = {0x88, 3, 9, NO_OPERATION};
  CHECK(options_of(split(packet(odd, data), 60)[1]) == Bytes{0x88, 3, 9, END});
  CHECK(options_of(split(packet(joined({RECORD_ROUTE, {END}}), data), 60)[1]).empty());
}

TEST_CASE("a fragment is cut into smaller ones, the last of which is followed by what followed it")
{
  Random random;
  const Bytes data = random.bytes(72);
  const std::vector<Bytes> middle = split(packet({}, data, 0x2000 | 5), 20 + 40);
  REQUIRE(middle.size() == 2);
  CHECK(middle[0] == packet({}, {data.begin(), data.begin() + 40}, 0x2000 | 5));
  CHECK(middle[1] == packet({}, {data.begin() + 40, data.end()}, 0x2000 | 10));
  const std::vector<Bytes> last = split(packet({}, data, 5), 20 + 40);
  REQUIRE(last.size() == 2);
  CHECK(last[1] == packet({}, {data.begin() + 40, data.end()}, 10));
}

TEST_CASE("what must not or cannot be cut is not")
{
  const Bytes data(100, 'x');
  CHECK(split(packet({}, data, 0x4000), 68).empty());
  CHECK(split(packet({}, data), 27).empty());
  CHECK(split(packet({}, data), 28).size() == 13);
  for (const Bytes& options : {Bytes{7, 5, 0, 0}, Bytes{7, 1, 0, 0}, Bytes{1, 1, 1, 7}}) {
    CHECK(split(packet(options, data), 68).empty());
  }
  CHECK(split(Bytes(40, 0x60), 28).empty());
  CHECK(split({}, 28).empty());
}

TEST_CASE("the pieces of any packet put together are that packet")
{
  Random random;
  for (int i = 0; i < 200; ++i) {
    Bytes options;
    for (std::size_t words = random.below(10); words > 0; --words) {
      const Bytes word = random.coin() ? ROUTER_ALERT : Bytes{NO_OPERATION, 7, 3, 4};
      options.insert(options.end(), word.begin(), word.end());
    }
    const Bytes whole = packet(options, random.bytes(9 + random.below(3000)));
    const std::size_t mtu_bytes = 68 + random.below(1400);
    CAPTURE(whole.size());
    CAPTURE(mtu_bytes);
    DropCounters drops;
    Reassembler reassembler(drops);
    Reassembler::Result result;
    const std::vector<Bytes> pieces = split(whole, mtu_bytes);
    for (const Bytes& piece : pieces) {
      CHECK(piece.size() <= mtu_bytes);
      if (pieces.size() > 1) {
        result = reassembler.add(*IpHeader::parse(piece), piece, {});
      }
    }
    if (pieces.size() > 1) {
      REQUIRE(std::holds_alternative<Reassembler::Packet>(result));
      CHECK(std::get<Reassembler::Packet>(result) == whole);
    } else {
      CHECK(pieces == std::vector<Bytes>{whole});
    }
  }
}
