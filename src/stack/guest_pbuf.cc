#include "stack/guest_pbuf.hh"

#include <cstddef>
#include <utility>

namespace slirpstack {

namespace {

struct GuestPbuf
{
  pbuf_custom custom; // first: lwIP hands back a pointer to it
  Block block;
};

void free_guest_pbuf(pbuf* buffer) noexcept
{
  static_assert(offsetof(pbuf_custom, pbuf) == 0);
  delete reinterpret_cast<GuestPbuf*>(buffer); // NOLINT: lwIP's count owned it
}

} // namespace

pbuf* make_guest_pbuf(Block block, std::uint32_t offset_bytes, std::uint16_t length_bytes)
{
  std::uint8_t* payload = block->data() + offset_bytes;
  auto* holder = new GuestPbuf{{}, std::move(block)}; // NOLINT: freed by free_guest_pbuf
  holder->custom.custom_free_function = free_guest_pbuf;
  return ::pbuf_alloced_custom(
    PBUF_RAW, length_bytes, PBUF_REF, &holder->custom, payload, length_bytes);
}

} // namespace slirpstack
