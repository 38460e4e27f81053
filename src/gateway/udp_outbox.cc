#include "gateway/udp_outbox.hh"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <tuple>

namespace slirpstack {

namespace {

// A batch from the tap is at most 64 frames or 256 KB.
constexpr std::size_t MAX_ENTRIES = 128;
constexpr std::size_t ARENA_BYTES = std::size_t{256} << 10U;
/// From here on the copy costs more than the system call that it may save.
constexpr std::size_t LARGE_BYTES = 8192;
/// A UDP_SEGMENT super-datagram: what every kernel takes (UDP_MAX_SEGMENTS was 64 up to 6.8), and
/// what leaves room for headers in 64 KiB.
constexpr std::size_t MAX_SEGMENTS = 64;
constexpr std::size_t MAX_RUN_BYTES = 65000;
/// UDP_SEGMENT never fragments: datagrams that may be too large for the path go one by one.
constexpr std::size_t MAX_SEGMENT_BYTES = 1472;

bool is_super(const OutboundDatagram& datagram)
{
  return datagram.segment_size_bytes != 0 && datagram.payload.size() > datagram.segment_size_bytes;
}

bool may_follow(const OutboundDatagram& run, const OutboundDatagram& next)
{
  const std::size_t size = is_super(run) ? run.segment_size_bytes : run.payload.size();
  return size > 0 && size <= MAX_SEGMENT_BYTES && run.payload.size() % size == 0
         && !next.payload.empty() && next.payload.size() <= size
         && run.payload.size() / size < MAX_SEGMENTS
         && run.payload.size() + next.payload.size() <= MAX_RUN_BYTES && run.to == next.to
         && run.hop_limit == next.hop_limit && run.dont_fragment == next.dont_fragment
         && run.source == next.source && run.interface_index == next.interface_index;
}

} // namespace

UdpOutbox::UdpOutbox()
  // Not initialised: pages that no burst ever reaches stay untouched.
  : arena_(new std::uint8_t[ARENA_BYTES]), runs_(new std::uint8_t[ARENA_BYTES])
{
  entries_.reserve(MAX_ENTRIES);
}

void UdpOutbox::add(UdpSender& sender, const OutboundDatagram& datagram)
{
  const std::size_t length_bytes = datagram.payload.size();
  if (is_super(datagram) || length_bytes > LARGE_BYTES) {
    flush();
    send_now(sender, datagram);
    return;
  }
  if (entries_.size() == MAX_ENTRIES || arena_used_bytes_ + length_bytes > ARENA_BYTES) {
    flush();
  }
  std::uint8_t* const place = arena_.get() + arena_used_bytes_;
  std::ranges::copy(datagram.payload, place);
  arena_used_bytes_ += length_bytes;
  Entry entry{&sender, entries_.size(), datagram};
  entry.datagram.payload = {place, length_bytes};
  entry.datagram.segment_size_bytes = 0;
  entries_.push_back(entry);
}

void UdpOutbox::send_now(UdpSender& sender, const OutboundDatagram& datagram)
{
  const std::size_t length_bytes = datagram.payload.size();
  const std::size_t size = is_super(datagram) ? datagram.segment_size_bytes : length_bytes;
  assert(size > 0); // only what is large comes here
  const std::size_t segments
    = size > MAX_SEGMENT_BYTES ? 1 : std::min(MAX_SEGMENTS, MAX_RUN_BYTES / size);
  for (std::size_t at = 0; at < length_bytes; at += segments * size) {
    OutboundDatagram part = datagram;
    part.payload = datagram.payload.subspan(at, std::min(segments * size, length_bytes - at));
    part.segment_size_bytes = part.payload.size() > size ? datagram.segment_size_bytes : 0;
    sending_.push_back(part);
  }
  submit(sender);
}

void UdpOutbox::flush()
{
  const auto order = [](const Entry& a, const Entry& b) {
    return std::tie(a.sender, a.datagram.to, a.number)
           < std::tie(b.sender, b.datagram.to, b.number);
  };
  if (!std::ranges::is_sorted(entries_, order)) {
    std::ranges::sort(entries_, order);
  }
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    append(entries_[i].datagram);
    if (i + 1 == entries_.size() || entries_[i + 1].sender != entries_[i].sender) {
      submit(*entries_[i].sender);
    }
  }
  entries_.clear();
  arena_used_bytes_ = 0;
  runs_used_bytes_ = 0;
}

void UdpOutbox::append(const OutboundDatagram& datagram)
{
  if (sending_.empty() || !may_follow(sending_.back(), datagram)) {
    sending_.push_back(datagram);
    return;
  }
  OutboundDatagram& run = sending_.back();
  if (!is_super(run)) {
    run.segment_size_bytes = static_cast<std::uint16_t>(run.payload.size());
  }
  const ByteView next = datagram.payload;
  if (run.payload.data() + run.payload.size() != next.data()) {
    gather(run, next);
  }
  run.payload = {run.payload.data(), run.payload.size() + next.size()};
}

void UdpOutbox::gather(OutboundDatagram& run, ByteView next)
{
  // Each byte of the arena comes here once at most, so there is always room.
  const std::uint8_t* const end = run.payload.data() + run.payload.size();
  if (end != runs_.get() + runs_used_bytes_ || runs_used_bytes_ == 0) {
    std::uint8_t* const place = runs_.get() + runs_used_bytes_;
    std::ranges::copy(run.payload, place);
    runs_used_bytes_ += run.payload.size();
    run.payload = {place, run.payload.size()};
  }
  std::ranges::copy(next, runs_.get() + runs_used_bytes_);
  runs_used_bytes_ += next.size();
}

void UdpOutbox::submit(UdpSender& sender)
{
  struct Submission
  {
    UdpSender& sender;
    std::span<const OutboundDatagram> datagrams;
  };
  Submission submission{sender, sending_};
  sender.socket().send(
    sending_,
    [](void* context, std::size_t index, const HostError& error) {
      auto& failed = *static_cast<Submission*>(context);
      failed.sender.on_send_failed(failed.datagrams[index], error);
    },
    &submission);
  sending_.clear();
}

void UdpOutbox::forget(const UdpSender& sender)
{
  std::erase_if(entries_, [&](const Entry& entry) { return entry.sender == &sender; });
}

} // namespace slirpstack
