#include "wire/vnet.hh"

#include "sample.hh"

using namespace slirpstack;
using namespace sample;

TEST_CASE("a vnet header is read, and written as the same bytes")
{
  const Bytes bytes = hex("01043600a80522001000"); // little-endian, as the machine
  const auto header = VnetHeader::parse(bytes);
  REQUIRE(header);
  CHECK(*header == VnetHeader{VNET_FLAG_NEEDS_CSUM, VNET_GSO_TCPV6, 54, 1448, 34, 16});
  CHECK(written(*header) == bytes);
}

TEST_CASE("a vnet header is believed only inside its frame")
{
  struct Case
  {
    std::string what;
    VnetHeader header;
    std::size_t frame_bytes;
    bool plausible;
  };
  const Case cases[] = {
    {"plain", {}, 0, true},
    {"checksum ends with the frame", {1, 0, 0, 0, 34, 6}, 42, true},
    {"checksum one byte over", {1, 0, 0, 0, 34, 6}, 41, false},
    {"start and offset at their largest", {1, 0, 0, 0, 65535, 65535}, 65600, false},
    {"unused fields are not looked at", {2, 0, 0, 0, 65535, 65535}, 60, true},
    {"TSO", {1, 1, 54, 1448, 34, 16}, 9000, true},
    {"TSO with ECN", {1, 0x81, 54, 1448, 34, 16}, 9000, true},
    {"TSO without a size", {1, 1, 54, 0, 34, 16}, 9000, false},
    {"USO", {1, 5, 42, 1400, 34, 6}, 9000, true},
    {"UFO is not offered", {1, 3, 42, 1400, 34, 6}, 9000, false},
    {"an unknown type", {1, 9, 42, 1400, 34, 6}, 9000, false},
    {"ECN without a type", {1, 0x80, 42, 1400, 34, 6}, 9000, false},
    {"headers longer than the frame", {0, 0, 61, 0, 0, 0}, 60, false},
  };
  for (const Case& each : cases) {
    CAPTURE(each.what);
    CHECK(each.header.plausible(each.frame_bytes) == each.plausible);
  }
}

TEST_CASE("a vnet header cut anywhere is truncated")
{
  every_truncation(Bytes(VnetHeader::SIZE_BYTES), [](const Bytes& prefix) {
    const auto header = VnetHeader::parse(prefix);
    REQUIRE_FALSE(header);
    CHECK(header.drop() == Drop::truncated);
  });
}

TEST_CASE("random vnet headers come back as they went")
{
  Random random;
  for (int round = 0; round < 200; ++round) {
    const Bytes bytes = random.bytes(VnetHeader::SIZE_BYTES);
    CHECK(written(*VnetHeader::parse(bytes)) == bytes);
  }
}
