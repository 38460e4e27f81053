#include "sample.hh"
#include "vectors.hh"
#include "wire/icmp_error.hh"

using namespace slirpstack;
using namespace sample;

namespace {

/// An ICMP message of this type and code, the word behind the checksum, and a quote.
Bytes message(std::uint8_t type, std::uint8_t code, std::uint32_t rest, const Bytes& quote)
{
  Bytes bytes(ICMP_HEADER_BYTES + quote.size());
  Writer writer(bytes);
  writer.u8(type);
  writer.u8(code);
  writer.u16(0);
  writer.u32(rest);
  writer.bytes(quote);
  return bytes;
}

Bytes cut(const Bytes& bytes, std::size_t length_bytes)
{
  return {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length_bytes)};
}

Drop drop_of(Family family, const Bytes& bytes)
{
  const auto error = IcmpErrorMessage::parse(family, bytes);
  REQUIRE_FALSE(error);
  return error.drop();
}

Family family_of(const Bytes& packet)
{
  return packet[0] >> 4U == 4 ? Family::ipv4 : Family::ipv6;
}

} // namespace

TEST_CASE("an ICMP error tells what it says and what it quotes")
{
  const Bytes quote = hex(vectors::IPV4_UDP);
  const Bytes bytes = message(3, 4, 1400, quote);
  const auto error = IcmpErrorMessage::parse(Family::ipv4, bytes);
  REQUIRE(error);
  CHECK(error->type_code == IcmpTypeCode{3, 4});
  CHECK(error->rest == 1400);
  CHECK(error->quoted == *IpHeader::parse(quote));
  CHECK(copy(error->quote) == quote);
  CHECK(copy(error->transport()) == Bytes(quote.begin() + 20, quote.end()));
}

TEST_CASE("an ICMPv6 error tells what it says and what it quotes")
{
  const Bytes quote = hex(vectors::IPV6_CHAIN);
  const Bytes bytes = message(2, 0, 1280, quote);
  const auto error = IcmpErrorMessage::parse(Family::ipv6, bytes);
  REQUIRE(error);
  CHECK(error->type_code == IcmpTypeCode{2, 0});
  CHECK(error->rest == 1280);
  CHECK(error->quoted.protocol == PROTOCOL_UDP);
  CHECK(copy(error->transport()) == Bytes(quote.end() - 10, quote.end()));
}

TEST_CASE("a quote may end anywhere behind its IP header, options and extensions included")
{
  struct Case
  {
    std::string what;
    std::string_view packet;
    std::size_t header_bytes;
  };
  const Case cases[] = {
    {"IPv4", vectors::IPV4_TCP_DATA, 20},
    {"IPv4 options", vectors::IPV4_OPTIONS, 24},
    {"IPv6", vectors::IPV6_UDP, 40},
    {"IPv6 extension headers", vectors::IPV6_CHAIN, 64},
    {"IPv6 atomic fragment", vectors::IPV6_ATOMIC, 48},
  };
  for (const Case& each : cases) {
    CAPTURE(each.what);
    const Bytes packet = hex(each.packet);
    const Family family = family_of(packet);
    every_truncation(packet, [&](const Bytes& quote) {
      const Bytes bytes = message(family == Family::ipv4 ? 11 : 3, 0, 0, quote);
      const auto error = IcmpErrorMessage::parse(family, bytes);
      REQUIRE(static_cast<bool>(error) == (quote.size() >= each.header_bytes));
      if (!error) {
        CHECK(error.drop() == Drop::truncated);
        return;
      }
      CHECK(error->quoted == *IpHeader::parse(packet));
      const std::size_t behind = quote.size() - each.header_bytes;
      CHECK(error->transport().size() == (behind >= 8 ? behind : 0));
    });
  }
}

TEST_CASE("link-layer padding is no part of a quote")
{
  Bytes padded = hex(vectors::IPV4_UDP);
  const std::size_t length_bytes = padded.size();
  padded.resize(60);
  const Bytes bytes = message(3, 3, 0, padded);
  const auto error = IcmpErrorMessage::parse(Family::ipv4, bytes);
  REQUIRE(error);
  CHECK(error->quote.size() == length_bytes);
}

TEST_CASE("a quoted IPv4 header with a wrong checksum is dropped")
{
  Bytes quote = hex(vectors::IPV4_OPTIONS);
  quote[12] ^= 1U;
  CHECK(drop_of(Family::ipv4, message(3, 1, 0, quote)) == Drop::bad_checksum);
  CHECK(drop_of(Family::ipv4, message(3, 1, 0, cut(quote, 24))) == Drop::bad_checksum);
}

TEST_CASE("only the first fragment of a packet has a transport header to quote")
{
  for (const std::string_view vector : {vectors::IPV4_FRAGMENT, vectors::IPV6_FRAGMENT}) {
    const Bytes quote = hex(vector);
    const Family family = family_of(quote);
    const Bytes bytes = message(family == Family::ipv4 ? 11 : 3, 1, 0, quote);
    const auto error = IcmpErrorMessage::parse(family, bytes);
    REQUIRE(error);
    CHECK(error->quoted.fragment_offset_bytes != 0);
    CHECK(error->quote.size() == quote.size());
    CHECK(error->transport().empty());
  }
}

TEST_CASE("what is no ICMP error is told apart")
{
  const Bytes v4 = hex(vectors::IPV4_UDP);
  const Bytes v6 = hex(vectors::IPV6_UDP);
  for (const std::uint8_t type : {0, 5, 8, 9, 13, 40, 255}) {
    CAPTURE(type);
    CHECK(drop_of(Family::ipv4, message(type, 0, 0, v4)) == Drop::unexpected_type);
  }
  for (const std::uint8_t type : {128, 129, 133, 137, 255}) {
    CAPTURE(type);
    CHECK(drop_of(Family::ipv6, message(type, 0, 0, v6)) == Drop::unexpected_type);
  }
  CHECK(drop_of(Family::ipv4, message(3, 0, 0, v6)) == Drop::bad_version);
  CHECK(drop_of(Family::ipv6, message(1, 0, 0, v4)) == Drop::bad_version);
  every_truncation(message(3, 0, 0, {}), [](const Bytes& prefix) {
    CHECK(drop_of(Family::ipv4, prefix) == Drop::truncated);
  });
}

TEST_CASE("an error of our own making is read as what it was made from")
{
  for (const std::string_view vector :
       {vectors::IPV4_UDP, vectors::IPV4_TCP_SYN, vectors::IPV6_UDP, vectors::IPV6_CHAIN}) {
    const Bytes original = hex(vector);
    const Family family = family_of(original);
    const IpAddress gateway = address(family == Family::ipv4 ? "10.0.2.2" : "fd00::2");
    const SmallPacket packet
      = icmp_error(IcmpErrorKind::fragmentation_needed, 1300, gateway, original);
    const auto ip = IpHeader::parse(packet.bytes());
    REQUIRE(ip);
    const auto error = IcmpErrorMessage::parse(family, ip->payload(packet.bytes()));
    REQUIRE(error);
    CHECK(icmp_error_kind(family, error->type_code) == IcmpErrorKind::fragmentation_needed);
    CHECK(error->rest == 1300);
    CHECK(copy(error->quote) == original);
  }
}
