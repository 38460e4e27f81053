#include "wire/proxy_protocol.hh"

#include "require.hh"

using namespace slirpstack;

namespace {

/// What was read is written as a header that says the same.
void check_round_trip(const ProxyHeader& header)
{
  std::array<std::uint8_t, ProxyHeader::MAX_WRITTEN_BYTES> bytes{};
  Writer writer(bytes);
  const std::size_t length_bytes = header.write(writer);
  require(!writer.failed());
  const auto again = ProxyHeader::parse(ByteView(bytes).first(length_bytes));
  require(again && again->version == header.version && again->length_bytes == length_bytes);
  if (header.source && header.source->address.family() == header.destination->address.family()) {
    require(again->source == header.source && again->destination == header.destination);
  } else {
    require(!again->source && !again->destination);
  }
}

/// Waiting for more bytes is worth it before the header's end, and never after a refusal.
void check_prefixes(ByteView bytes, const Parsed<ProxyHeader>& whole)
{
  for (std::size_t length_bytes = 0; length_bytes < bytes.size(); ++length_bytes) {
    const auto header = ProxyHeader::parse(bytes.first(length_bytes));
    if (header || header.drop() != Drop::truncated) {
      require(static_cast<bool>(header) == static_cast<bool>(whole));
      return;
    }
    require(!whole || length_bytes < whole->length_bytes);
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  const ByteView bytes(data, size);
  const auto header = ProxyHeader::parse(bytes);
  check_prefixes(bytes, header);
  if (header) {
    require(header->length_bytes <= size && header->length_bytes <= ProxyHeader::MAX_BYTES);
    require(header->source.has_value() == header->destination.has_value());
    check_round_trip(*header);
  }
  return 0;
}
