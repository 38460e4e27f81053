#include "wire/proxy_protocol.hh"

#include "sample.hh"

using namespace slirpstack;
using namespace sample;

namespace {

constexpr std::string_view SIGNATURE = "0d0a0d0a000d0a515549540a";

Bytes text(std::string_view line)
{
  return {line.begin(), line.end()};
}

Bytes binary(std::string_view rest)
{
  return hex(std::string(SIGNATURE) + std::string(rest));
}

Drop drop_of(const Bytes& bytes)
{
  const auto header = ProxyHeader::parse(bytes);
  REQUIRE_FALSE(header);
  return header.drop();
}

/// A header with data behind it: each proper prefix of the header may still become one.
void check_truncations(const Bytes& bytes)
{
  const auto header = ProxyHeader::parse(bytes);
  REQUIRE(header);
  const Bytes alone(bytes.begin(),
                    bytes.begin() + static_cast<std::ptrdiff_t>(header->length_bytes));
  every_truncation(alone, [](const Bytes& prefix) { CHECK(drop_of(prefix) == Drop::truncated); });
}

} // namespace

TEST_CASE("a line of text names client and destination, and ends where the data begin")
{
  const Bytes bytes = text("PROXY TCP4 192.0.2.1 198.51.100.1 40000 443\r\nGET");
  const auto header = ProxyHeader::parse(bytes);
  REQUIRE(header);
  CHECK(header->version == ProxyHeader::Version::text);
  CHECK(header->source == Endpoint{address("192.0.2.1"), 40000});
  CHECK(header->destination == Endpoint{address("198.51.100.1"), 443});
  CHECK(header->length_bytes == bytes.size() - 3);
  check_truncations(bytes);
}

TEST_CASE("a line of text may have addresses of either family whatever its keyword")
{
  for (const std::string_view line : {
         "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n",
         "PROXY TCP6 192.0.2.1 198.51.100.1 0 0\r\n",
         "PROXY TCP4 ::ffff:192.0.2.1 2001:DB8::2 1 2\r\n",
       }) {
    CAPTURE(std::string(line));
    const auto header = ProxyHeader::parse(text(line));
    REQUIRE(header);
    CHECK(header->source);
    CHECK(header->destination);
    CHECK(header->length_bytes == line.size());
    check_truncations(text(line));
  }
}

TEST_CASE("an unknown connection has no addresses, whatever follows the keyword")
{
  for (const std::string_view line : {
         "PROXY UNKNOWN\r\n",
         "PROXY UNKNOWN \r\n",
         "PROXY UNKNOWN ffff:f...f:ffff \rx\n 65535\r\n",
       }) {
    CAPTURE(std::string(line));
    const auto header = ProxyHeader::parse(text(line));
    REQUIRE(header);
    CHECK_FALSE(header->source);
    CHECK_FALSE(header->destination);
    CHECK(header->length_bytes == line.size());
    check_truncations(text(line));
  }
}

TEST_CASE("what is no line of the protocol is told as soon as it can be")
{
  for (const std::string_view line : {
         "GET / HTTP/1.1\r\n",
         "PROXX",
         "proxy ",
         "PROXY  ",
         "PROXY TCP5",
         "PROXY TCP44",
         "PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n",
         "PROXY UNKNOWNX",
         "PROXY UNKNOWN\rx",
         "PROXY TCP4 example.org",
         "PROXY TCP4 1.2.3.256 ",
         "PROXY TCP4 1.2.3.4 1.2.3.4 65536",
         "PROXY TCP4 1.2.3.4 1.2.3.4 -1",
         "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 ",
         "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n",
         "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\rx",
         "PROXY TCP4 1.2.3.4 1.2.3.4 1\r",
         "PROXY TCP4 1.2.3.4 1.2.3.4  1\r\n",
         "PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n",
         "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
         "PROXY TCP4\r\n",
         "PROXY\r\n",
         "\r\nPROXY",
         "\r\n\r\n ",
       }) {
    CAPTURE(std::string(line));
    CHECK(drop_of(text(line)) == Drop::bad_header);
  }
}

TEST_CASE("a line that does not end within 107 bytes never will")
{
  const std::string begun = "PROXY UNKNOWN " + std::string(91, 'x');
  CHECK(drop_of(text(begun)) == Drop::truncated);
  CHECK(ProxyHeader::parse(text(begun + "\r\n")));
  CHECK(drop_of(text(begun + "x\r")) == Drop::bad_length);
  CHECK(drop_of(text(begun + "x\r\n")) == Drop::bad_length);
}

TEST_CASE("a binary header names client and destination of either family")
{
  const Bytes v4 = binary("2111000cc0000201c63364019c4001bb474554");
  const auto header4 = ProxyHeader::parse(v4);
  REQUIRE(header4);
  CHECK(header4->version == ProxyHeader::Version::binary);
  CHECK(header4->source == Endpoint{address("192.0.2.1"), 40000});
  CHECK(header4->destination == Endpoint{address("198.51.100.1"), 443});
  CHECK(header4->length_bytes == 28);
  check_truncations(v4);

  const Bytes v6 = binary("21220024"
                          "20010db800000000000000000000000120010db8000000000000000000000002"
                          "9c4001bb");
  const auto header6 = ProxyHeader::parse(v6);
  REQUIRE(header6);
  CHECK(header6->source == Endpoint{address("2001:db8::1"), 40000});
  CHECK(header6->destination == Endpoint{address("2001:db8::2"), 443});
  CHECK(header6->length_bytes == 52);
  check_truncations(v6);
}

TEST_CASE("options behind the addresses belong to the header and are skipped")
{
  const Bytes bytes = binary("21110012c0000201c63364019c4001bb040003aabbccff");
  const auto header = ProxyHeader::parse(bytes);
  REQUIRE(header);
  CHECK(header->source == Endpoint{address("192.0.2.1"), 40000});
  CHECK(header->length_bytes == 34);
  check_truncations(bytes);
}

TEST_CASE("a binary header without an address that we could use is still a header")
{
  struct Case
  {
    std::string what;
    std::string rest;
    std::size_t length_bytes;
  };
  const Case cases[] = {
    {"a health check", "20000000", 16},
    {"a health check with a family and a block", "20ff0003aabbcc", 19},
    {"an unknown family", "21000002aabb", 18},
    {"an unknown transport", "2110000cc0000201c63364019c4001bb", 28},
    {"a Unix socket", "213100d8" + std::string(432, '0'), 232},
  };
  for (const Case& each : cases) {
    CAPTURE(each.what);
    const auto header = ProxyHeader::parse(binary(each.rest));
    REQUIRE(header);
    CHECK_FALSE(header->source);
    CHECK_FALSE(header->destination);
    CHECK(header->length_bytes == each.length_bytes);
    check_truncations(binary(each.rest));
  }
}

TEST_CASE("a binary header that is wrong or too long is told at once")
{
  struct Case
  {
    std::string rest;
    Drop reason;
  };
  const Case cases[] = {
    {"11", Drop::bad_version},
    {"3111000c", Drop::bad_version},
    {"22", Drop::bad_header},
    {"2141", Drop::bad_header},
    {"2113", Drop::bad_header},
    {"2111000b", Drop::bad_length},
    {"21210023", Drop::bad_length},
    {"20000ff1", Drop::bad_length},
    {"2000ff", Drop::bad_length},
  };
  for (const Case& each : cases) {
    CAPTURE(each.rest);
    CHECK(drop_of(binary(each.rest)) == each.reason);
  }
  CHECK(drop_of(binary("20000ff0")) == Drop::truncated);
}

TEST_CASE("what is written is read again, in both versions and families")
{
  Random random;
  for (int round = 0; round < 1000; ++round) {
    CAPTURE(round);
    const Family family = random.coin() ? Family::ipv4 : Family::ipv6;
    ProxyHeader header;
    header.version = random.coin() ? ProxyHeader::Version::text : ProxyHeader::Version::binary;
    header.source = {random.address(family), random.next<std::uint16_t>()};
    header.destination = {random.address(family), random.next<std::uint16_t>()};
    const Bytes bytes = written(header);
    CHECK(bytes.size() <= ProxyHeader::MAX_WRITTEN_BYTES);
    const auto parsed = ProxyHeader::parse(bytes);
    REQUIRE(parsed);
    CHECK(parsed->version == header.version);
    CHECK(parsed->source == header.source);
    CHECK(parsed->destination == header.destination);
    CHECK(parsed->length_bytes == bytes.size());
  }
}

TEST_CASE("unknown and mixed addresses are written as unknown")
{
  for (const auto version : {ProxyHeader::Version::text, ProxyHeader::Version::binary}) {
    ProxyHeader header;
    header.version = version;
    CHECK(ProxyHeader::parse(written(header)));
    header.source = {address("192.0.2.1"), 1};
    CHECK_FALSE(ProxyHeader::parse(written(header))->source);
    header.destination = {address("2001:db8::1"), 1};
    const auto parsed = ProxyHeader::parse(written(header));
    REQUIRE(parsed);
    CHECK_FALSE(parsed->source);
    CHECK_FALSE(parsed->destination);
  }
}

TEST_CASE("a buffer that is too small makes the writer fail")
{
  ProxyHeader header;
  header.source = {address("192.0.2.1"), 1};
  header.destination = header.source;
  Bytes buffer(20);
  Writer writer(buffer);
  header.write(writer);
  CHECK(writer.failed());
}
