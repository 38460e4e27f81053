#include "wire/ethernet.hh"

#include "require.hh"

using namespace slirpstack;

/// What parses is written as the same bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const ByteView bytes(data, size);
  if (const auto header = EthernetHeader::parse(bytes)) {
    std::array<std::uint8_t, EthernetHeader::SIZE_BYTES> written{};
    Writer writer(written);
    require(header->write(writer) == written.size());
    require(std::ranges::equal(written, bytes.first(written.size())));
  }
  return 0;
}
