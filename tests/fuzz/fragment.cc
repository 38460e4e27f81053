#include "wire/fragment.hh"

#include "require.hh"

using namespace slirpstack;

namespace {

constexpr ReassemblyLimits LIMITS{.bytes = 8192, .datagrams = 4, .fragments_per_datagram = 6};

/// A packet put together is whole, and cuts into pieces that go together to the same length.
void check_whole(const std::vector<std::uint8_t>& packet)
{
  const auto header = IpHeader::parse(packet);
  require(!header || header->total_length_bytes == packet.size());
  require(!header || header->family() == Family::ipv6 || !header->is_fragment());
}

void cut(ByteView packet)
{
  DropCounters drops;
  Reassembler reassembler(drops);
  bool completed = false;
  const std::size_t count = fragment_packet(packet, 100, 7, [&](ByteView header, ByteView payload) {
    std::vector<std::uint8_t> piece(header.begin(), header.end());
    piece.insert(piece.end(), payload.begin(), payload.end());
    const auto parsed = IpHeader::parse(piece, HeaderChecksum::trusted);
    require(static_cast<bool>(parsed));
    if (parsed->is_fragment()) {
      require(piece.size() <= 100);
      const auto result = reassembler.add(*parsed, piece, TimePoint{});
      require(!std::holds_alternative<Drop>(result) || packet.size() > 5000);
      completed = std::holds_alternative<Reassembler::Packet>(result);
    }
  });
  require(count < 2 || completed || packet.size() > 5000);
}

} // namespace

/// The input is a row of packets, each behind its length in two bytes; a second passes with each.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
  DropCounters drops;
  Reassembler reassembler(drops, LIMITS);
  TimePoint now{};
  Reader reader(ByteView(data, size));
  while (!reader.rest().empty()) {
    const std::size_t announced_bytes = reader.u16();
    const ByteView packet = reader.take(std::min(announced_bytes, reader.rest().size()));
    now += std::chrono::seconds(1);
    const auto header = IpHeader::parse(packet, HeaderChecksum::trusted);
    if (!header) {
      continue;
    }
    if (!header->is_fragment()) {
      cut(packet);
      continue;
    }
    const auto result = reassembler.add(*header, packet, now);
    if (const auto* whole = std::get_if<Reassembler::Packet>(&result)) {
      check_whole(*whole);
    }
    require(reassembler.held_bytes() <= LIMITS.bytes);
    require(reassembler.held_datagrams() <= LIMITS.datagrams);
    reassembler.expire(now);
  }
  reassembler.expire(now + std::chrono::minutes(2));
  require(reassembler.held_bytes() == 0 && reassembler.held_datagrams() == 0);
  return 0;
}
