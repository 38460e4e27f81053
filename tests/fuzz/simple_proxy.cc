#include "wire/simple_proxy.hh"

#include "require.hh"

using namespace slirpstack;

/// Whatever has the magic and the length parses, and is written as the same bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const ByteView datagram(data, size);
  const auto header = SimpleProxyHeader::parse(datagram);
  require(static_cast<bool>(header) || size < SimpleProxyHeader::SIZE_BYTES
          || data[0] != SimpleProxyHeader::MAGIC >> 8U
          || data[1] != (SimpleProxyHeader::MAGIC & 0xffU));
  if (header) {
    std::array<std::uint8_t, SimpleProxyHeader::SIZE_BYTES> written{};
    Writer writer(written);
    require(header->write(writer) == written.size() && !writer.failed());
    require(std::ranges::equal(written, datagram.first(written.size())));
  }
  return 0;
}
