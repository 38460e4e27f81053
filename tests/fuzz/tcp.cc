#include "wire/tcp.hh"

#include "require.hh"

using namespace slirpstack;

/// What parses keeps its values through a write, and is answered by a packet that parses.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const ByteView segment(data, size);
  const auto header = TcpHeader::parse(segment);
  if (!header) {
    return 0;
  }
  require(header->header_length_bytes <= size);
  std::array<std::uint8_t, 60> written{};
  Writer writer(written);
  const std::size_t length_bytes = header->write(writer);
  const auto again = TcpHeader::parse(ByteView(written).first(length_bytes));
  require(static_cast<bool>(again));
  TcpHeader expected = *header;
  expected.header_length_bytes = static_cast<std::uint16_t>(length_bytes);
  require(*again == expected);

  IpHeader ip;
  ip.source = IpAddress::ipv4(0xc0000201);
  ip.destination = IpAddress::ipv4(0xc6336401);
  const auto reset = reset_for(ip, *header, size - header->header_length_bytes);
  require(reset.has_value() != header->has(TCP_FLAG_RST));
  require(!reset || IpHeader::parse(reset->bytes()));
  return 0;
}
