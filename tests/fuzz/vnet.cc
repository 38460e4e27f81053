#include "wire/vnet.hh"

#include "require.hh"

using namespace slirpstack;

/// What parses is written as the same bytes; the frame is what follows, and a header that is
/// plausible names no byte outside it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const ByteView bytes(data, size);
  const auto header = VnetHeader::parse(bytes);
  if (!header) {
    return 0;
  }
  std::array<std::uint8_t, VnetHeader::SIZE_BYTES> written{};
  Writer writer(written);
  require(header->write(writer) == written.size());
  require(std::ranges::equal(written, bytes.first(written.size())));
  const std::size_t frame_bytes = size - VnetHeader::SIZE_BYTES;
  if (header->plausible(frame_bytes)) {
    require(header->hdr_len <= frame_bytes);
    require(!header->is_gso() || header->gso_size > 0);
    require(!header->needs_csum()
            || std::size_t{header->csum_start} + header->csum_offset + 2 <= frame_bytes);
  }
  return 0;
}
