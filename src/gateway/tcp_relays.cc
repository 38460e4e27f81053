#include "gateway/tcp_relays.hh"

#include <algorithm>
#include <utility>

namespace slirpstack {

TcpRelays::TcpRelays(const Settings& settings,
                     const EventTime& time,
                     Stack& stack,
                     BlockPool& pool,
                     HostNetwork& host,
                     FlowTable& flows,
                     PacketSink& guest,
                     IcmpReporter& icmp,
                     DropCounters& drops)
  : settings_(settings)
  , time_(time)
  , stack_(stack)
  , pool_(pool)
  , host_(host)
  , flows_(flows)
  , guest_(guest)
  , icmp_(icmp)
  , drops_(drops)
{}

void TcpRelays::open(const FlowKey& key,
                     const IpHeader& ip,
                     const TcpHeader& tcp,
                     ByteView packet,
                     std::vector<Endpoint> targets,
                     bool is_dns)
{
  auto relay = std::make_unique<TcpRelay>(
    *this, key, ParkedSyn(ip, tcp, packet), std::move(targets), is_dns);
  TcpRelay& opened = *relay;
  flows_.insert(std::move(relay));
  opened.open();
}

bool TcpRelays::flush()
{
  // Two lists: a relay that has more to do waits for the next turn, behind all the others.
  working_.swap(work_);
  for (TcpRelay* relay : working_) {
    relay->has_work_ = false;
    if (FlowTable::finished(*relay)) {
      continue;
    }
    if (relay->work()) {
      relay->note_work();
    }
  }
  working_.clear();
  // A relay that finished after it was noted is about to be buried.
  std::erase_if(work_, [](const TcpRelay* relay) { return FlowTable::finished(*relay); });
  if (work_.empty()) {
    for (Block& block : read_blocks_) {
      block.reset();
    }
  }
  return !work_.empty();
}

std::span<iovec> TcpRelays::read_pieces(std::uint32_t room_bytes, std::uint32_t segment_bytes)
{
  std::size_t count = 0;
  while (room_bytes > 0 && count < READ_BLOCKS) {
    // Whole segments, so that no runt stands between them; less only if that is all the room.
    const std::uint32_t length = std::min(room_bytes, segment_bytes);
    if (count > 0 && length < segment_bytes) {
      break;
    }
    if (!read_blocks_[count]) {
      read_blocks_[count] = pool_.take_large();
    }
    read_pieces_[count] = {read_blocks_[count]->data(), length};
    room_bytes -= length;
    ++count;
  }
  return std::span(read_pieces_).first(count);
}

StreamOptions TcpRelays::stream_options(Family family, std::uint8_t hop_limit) const
{
  return {.source = family == Family::ipv4 ? settings_.source_ipv4 : settings_.source_ipv6,
          .hop_limit = hop_limit};
}

} // namespace slirpstack
