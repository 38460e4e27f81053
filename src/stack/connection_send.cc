// Host to guest: the half of Connection that hands lwIP what the host has sent.

#include "stack/connection.hh"
#include "stack/connection_world.hh"

#include <algorithm>
#include <cassert>
#include <utility>

namespace slirpstack {

namespace {

// What one flow may have in flight towards the guest. 1 MiB keeps two cores busy at 27 Gbit/s; a
// wider window only moves the queue from the host's socket into our memory.
constexpr std::uint32_t MAX_IN_FLIGHT_BYTES = 1 << 20;
constexpr std::uint32_t PRESSED_IN_FLIGHT_BYTES = 64 << 10;
constexpr std::uint32_t EXHAUSTED_IN_FLIGHT_BYTES = 4 << 10;

// lwIP walks the segments in flight at every write: many tiny ones must not make that quadratic.
constexpr std::uint16_t MAX_SEND_QUEUE_PBUFS = 1024;

// The link is a queue in the guest's kernel: it loses nothing, so there is nothing to probe for.
constexpr std::uint32_t WIDE_WINDOW_BYTES = 0x7fffffff;

} // namespace

void Connection::open_send_window()
{
  if (pcb_ == nullptr) {
    return;
  }
  pcb_->cwnd = WIDE_WINDOW_BYTES;
  pcb_->ssthresh = WIDE_WINDOW_BYTES;
}

std::uint32_t Connection::in_flight_bytes() const
{
  return pcb_->snd_lbb - pcb_->lastack;
}

std::uint32_t Connection::send_window() const
{
  const BlockPool& pool = stack_.pool_;
  std::uint32_t limit = MAX_IN_FLIGHT_BYTES;
  if (pool.used_bytes() > pool.ceiling_bytes() / 2) {
    limit = PRESSED_IN_FLIGHT_BYTES;
  }
  if (pool.exhausted()) {
    limit = EXHAUSTED_IN_FLIGHT_BYTES;
  }
  return std::min<std::uint32_t>(pcb_->snd_wnd, limit);
}

std::uint32_t Connection::super_segment_bytes() const
{
  if (pcb_ == nullptr) {
    return guest_segment_bytes_;
  }
  // lwIP makes no segment larger than half the largest window (RFC 1122 4.2.3.4).
  const std::uint32_t half = pcb_->snd_wnd_max / 2;
  if (half >= super_segment_bytes_) {
    return super_segment_bytes_;
  }
  return std::max<std::uint32_t>(half / guest_segment_bytes_ * guest_segment_bytes_,
                                 guest_segment_bytes_);
}

std::uint32_t Connection::room_bytes() const
{
  if (pcb_ == nullptr || !established_) {
    return 0;
  }
  if (pcb_->state != ESTABLISHED && pcb_->state != CLOSE_WAIT) {
    return 0;
  }
  if (pcb_->snd_queuelen >= MAX_SEND_QUEUE_PBUFS) {
    return 0;
  }
  const std::uint32_t window = send_window();
  const std::uint32_t in_flight = in_flight_bytes();
  const std::uint32_t space = window > in_flight ? window - in_flight : 0;
  // With nothing in flight one byte against a closed window starts lwIP's persist timer.
  if (in_flight == 0) {
    return std::max<std::uint32_t>(space, 1);
  }
  // No silly windows (RFC 1122 4.2.3.4): wait for a full segment or half the window.
  return space >= std::min(super_segment_bytes(), window / 2) ? space : 0;
}

bool Connection::write(Block block, std::uint32_t length_bytes, bool more)
{
  assert(length_bytes <= 0xffff);
  if (pcb_ == nullptr) {
    return false;
  }
  const u8_t flags = more ? TCP_WRITE_FLAG_MORE : 0;
  if (::tcp_write(pcb_, block->data(), static_cast<u16_t>(length_bytes), flags) != ERR_OK) {
    return false;
  }
  sent_.push_back({std::move(block), length_bytes});
  return true;
}

void Connection::push()
{
  if (pcb_ == nullptr) {
    return;
  }
  {
    const World world(*this);
    ::tcp_output(pcb_);
  }
  settle();
}

void Connection::finish()
{
  if (pcb_ == nullptr) {
    return;
  }
  {
    const World world(*this);
    ::tcp_shutdown(pcb_, 0, 1);
  }
  settle();
}

void Connection::release_sent(std::uint32_t acknowledged_bytes)
{
  // lwIP counts whole segments here: a part that is acknowledged may be sent again with the rest.
  sent_head_acknowledged_bytes_ += acknowledged_bytes;
  while (sent_head_ < sent_.size()
         && sent_head_acknowledged_bytes_ >= sent_[sent_head_].length_bytes) {
    sent_head_acknowledged_bytes_ -= sent_[sent_head_].length_bytes;
    sent_[sent_head_++].block.reset();
  }
  // Moving the rest forward costs nothing when half of it is gone.
  if (sent_head_ * 2 >= sent_.size()) {
    sent_.erase(sent_.begin(), sent_.begin() + static_cast<std::ptrdiff_t>(sent_head_));
    sent_head_ = 0;
  }
}

} // namespace slirpstack
