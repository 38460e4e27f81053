#include "wire/udp.hh"

#include "require.hh"

using namespace slirpstack;

/// What parses is written as the same eight bytes, and its data lies inside.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const ByteView datagram(data, size);
  if (const auto header = UdpHeader::parse(datagram)) {
    require(header->data(datagram).size() + UdpHeader::SIZE_BYTES <= size);
    std::array<std::uint8_t, UdpHeader::SIZE_BYTES> written{};
    Writer writer(written);
    require(header->write(writer) == written.size());
    require(std::ranges::equal(written, datagram.first(written.size())));
  }
  return 0;
}
