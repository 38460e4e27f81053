#include "wire/arp.hh"

#include "require.hh"

using namespace slirpstack;

/// What parses is written as the same bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const ByteView bytes(data, size);
  if (const auto packet = ArpPacket::parse(bytes)) {
    std::array<std::uint8_t, ArpPacket::SIZE_BYTES> written{};
    Writer writer(written);
    require(packet->write(writer) == written.size());
    require(std::ranges::equal(written, bytes.first(written.size())));
  }
  return 0;
}
