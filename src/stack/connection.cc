#include "stack/connection.hh"

#include "stack/connection_world.hh"
#include "stack/guest_pbuf.hh"
#include "wire/tcp.hh"

#include <algorithm>
#include <cassert>
#include <utility>

namespace slirpstack {

namespace {

// An Ethernet frame's worth or less must not pin a block of 64 KiB: a guest could hold gigabytes
// with one-byte segments. A copy of this size costs less than the system call that brought it.
constexpr std::uint32_t COPY_BELOW_BYTES = BlockPool::LARGE_BYTES / 4;

// Of lwIP's twelve: enough to back off to the longest interval.
constexpr std::uint8_t MAX_CLOSED_WINDOW_RETRANSMISSIONS = 6;

} // namespace

Connection::Connection(Stack& stack, ConnectionEvents& events) : stack_(stack), events_(&events) {}

Connection::~Connection()
{
  if (pcb_ != nullptr) {
    reset();
  }
  stack_.forget(*this);
  if (unread_first_ != nullptr) {
    ::pbuf_free(unread_first_);
  }
}

void Connection::feed(pbuf* segment, const IpHeader& ip, const std::uint8_t* ip_header)
{
  // What lwIP's own ip4_input() and ip6_input() would leave behind for tcp_input().
  auto* const input = ::netif_default;
  ip_data.current_netif = input;
  ip_data.current_input_netif = input;
  const bool is_ipv4 = ip.family() == Family::ipv4;
  ip_data.current_ip4_header = is_ipv4 ? reinterpret_cast<const ip_hdr*>(ip_header) : nullptr;
  ip_data.current_ip6_header
    = is_ipv4 ? nullptr : reinterpret_cast<ip6_hdr*>(const_cast<std::uint8_t*>(ip_header));
  ip_data.current_ip_header_tot_len = ip.header_length_bytes;
  ip_data.current_iphdr_src = to_lwip(ip.source);
  ip_data.current_iphdr_dest = to_lwip(ip.destination);
  ::tcp_input(segment, input);
}

bool Connection::input(GuestPacket&& packet, const IpHeader& ip)
{
  if (gone() || ip.payload_length_bytes() > 0xffff) {
    return true;
  }
  const MutableBytes tcp
    = packet.bytes().subspan(ip.header_length_bytes, ip.payload_length_bytes());
  if (stack_.pool_.exhausted() && would_be_retained(tcp)) {
    return false;
  }
  const std::size_t length = cut_to_window(tcp);
  Block block = std::move(packet.block);
  std::uint32_t offset = packet.offset_bytes;
  const std::uint32_t whole = ip.total_length_bytes;
  if (whole < COPY_BELOW_BYTES) {
    Block small = stack_.pool_.take_small(whole);
    std::memcpy(small->data(), block->data() + offset, whole);
    block = std::move(small);
    offset = 0;
  }
  const std::uint8_t* ip_header = block->data() + offset;
  pbuf* segment = make_guest_pbuf(
    std::move(block), offset + ip.header_length_bytes, static_cast<std::uint16_t>(length));
  const std::uint32_t window = pcb_->snd_wnd;
  {
    const World world(*this);
    feed(segment, ip, ip_header);
  }
  // A guest that answers with a closed window is alive, however long it stays closed: a FIN that
  // waits for it must not run out of retransmissions (RFC 9293 3.8.6.1).
  if (pcb_ != nullptr && pcb_->snd_wnd == 0) {
    pcb_->nrtx = std::min(pcb_->nrtx, MAX_CLOSED_WINDOW_RETRANSMISSIONS);
  }
  if (pcb_ != nullptr && pcb_->snd_wnd > window) {
    facts_ |= FACT_ROOM;
  }
  settle();
  return true;
}

std::size_t Connection::cut_to_window(MutableBytes segment) const
{
  // lwIP relies on it that what it has queued behind a hole fits the window, but trims only what
  // it puts at the queue's end: a guest could run into its assert, or widen its own window.
  const std::size_t header_bytes = (segment[12] >> 4U) * std::size_t{4};
  const std::uint32_t ahead = Reader(segment.subspan(4)).u32() - pcb_->rcv_nxt;
  if (ahead == 0 || ahead >= pcb_->rcv_wnd) { // in order, or out of the window altogether
    return segment.size();
  }
  const std::size_t room = pcb_->rcv_wnd - ahead;
  const std::size_t data_bytes = segment.size() - header_bytes;
  constexpr std::uint8_t COUNTED_FLAGS = TCP_FLAG_FIN | TCP_FLAG_SYN;
  if (data_bytes + ((segment[13] & COUNTED_FLAGS) != 0 ? 1 : 0) <= room) {
    return segment.size();
  }
  segment[13] &= static_cast<std::uint8_t>(~COUNTED_FLAGS);
  return header_bytes + std::min(data_bytes, room);
}

bool Connection::would_be_retained(ByteView segment) const
{
  // An acknowledgment frees memory rather than taking any.
  const std::size_t header_bytes = (segment[12] >> 4U) * std::size_t{4};
  if (segment.size() <= header_bytes) {
    return false;
  }
  // Whoever has data waiting, or a hole before it, lets others go first; a lost segment is sent
  // again.
  return unread_bytes_ > 0 || TCP_SEQ_GT(Reader(segment.subspan(4)).u32(), pcb_->rcv_nxt);
}

void Connection::settle()
{
  if (pcb_ == nullptr) {
    facts_ = FACT_GONE | (facts_ & FACT_DATA);
    sent_.clear();
    sent_head_ = 0;
  } else {
    if (guest_segment_bytes_ == 0 && pcb_->state > SYN_SENT) {
      learn_segment_size(); // it came with the guest's SYN-ACK
    }
    assert_segment_size();
    stop_needless_persist_timer();
    if (needs_tick()) {
      stack_.keep_ticking(*this);
    }
  }
  const std::uint8_t facts = std::exchange(facts_, std::uint8_t{0});
  if ((facts & FACT_ESTABLISHED) != 0) {
    open_send_window();
    events_->on_established();
  }
  if ((facts & FACT_DATA) != 0) {
    events_->on_guest_data();
  }
  if ((facts & FACT_ROOM) != 0) {
    events_->on_room();
  }
  if ((facts & FACT_GONE) != 0) {
    events_->on_gone();
  }
}

void Connection::assert_segment_size()
{
  // lwIP takes an MSS option on any segment; a guest that shrinks it behind a queued super-segment
  // would make tcp_write() compute a negative space. 0: the guest has not yet said.
  if (super_segment_bytes_ != 0) {
    pcb_->mss = super_segment_bytes_;
  }
}

void Connection::stop_needless_persist_timer()
{
  // When the guest acknowledges a probe's byte but keeps its window closed, lwIP is left with a
  // timer and nothing to probe with, and asserts that this cannot be.
  if (pcb_->unsent == nullptr) {
    pcb_->persist_backoff = 0;
  }
}

bool Connection::needs_tick() const
{
  if (time_wait_) {
    return false;
  } // the relay's deadline ends it
  const bool quiet_state
    = pcb_->state == ESTABLISHED || pcb_->state == CLOSE_WAIT || pcb_->state == FIN_WAIT_2;
  return !quiet_state || pcb_->rtime >= 0 || pcb_->persist_backoff > 0 || pcb_->unsent != nullptr
         || pcb_->ooseq != nullptr || pcb_->refused_data != nullptr
         || (pcb_->flags & (TF_ACK_DELAY | TF_ACK_NOW | TF_CLOSEPEND)) != 0;
}

std::size_t Connection::unread(std::span<iovec> pieces) const
{
  std::size_t count = 0;
  for (const pbuf* piece = unread_first_; piece != nullptr && count < pieces.size();
       piece = piece->next) {
    pieces[count++] = {piece->payload, piece->len};
  }
  return count;
}

void Connection::consume(std::size_t length_bytes)
{
  assert(length_bytes <= unread_bytes_);
  unread_bytes_ -= static_cast<std::uint32_t>(length_bytes);
  for (std::size_t left = length_bytes;
       unread_first_ != nullptr && (left > 0 || unread_first_->len == 0);) {
    pbuf* piece = unread_first_;
    if (left < piece->len) {
      piece->payload = static_cast<std::uint8_t*>(piece->payload) + left;
      piece->len = static_cast<u16_t>(piece->len - left);
      break;
    }
    left -= piece->len;
    unread_first_ = std::exchange(piece->next, nullptr);
    if (unread_first_ == nullptr) {
      unread_last_ = nullptr;
    }
    piece->tot_len = piece->len;
    ::pbuf_free(piece);
  }
  if (pcb_ == nullptr || time_wait_) {
    return;
  }
  // As in a receive callback, lwIP then only notes that a window update is due; acknowledge()
  // sends one for the whole batch.
  tcp_input_pcb = pcb_;
  // lwIP moves the window's edge by a segment at least: by the guest's. A super-segment is all
  // the window that a guest without scaling has.
  pcb_->mss = guest_segment_bytes_;
  while (length_bytes > 0) {
    const auto step = static_cast<u16_t>(std::min<std::size_t>(length_bytes, 0xffff));
    ::tcp_recved(pcb_, step);
    length_bytes -= step;
  }
  tcp_input_pcb = nullptr;
  assert_segment_size();
}

void Connection::acknowledge()
{
  if (pcb_ == nullptr || time_wait_) {
    return;
  }
  if ((pcb_->flags & (TF_ACK_DELAY | TF_ACK_NOW)) == 0) { // data towards the guest carried it
    unacknowledged_bytes_ = 0;
    return;
  }
  // RFC 9293 3.8.6.3: at least every second full segment; lwIP counts a super-segment as one.
  if ((pcb_->flags & TF_ACK_NOW) == 0 && unacknowledged_bytes_ < 2U * guest_segment_bytes_) {
    return;
  }
  unacknowledged_bytes_ = 0;
  {
    const World world(*this);
    tcp_ack_now(pcb_);
    ::tcp_output(pcb_);
  }
  settle();
}

void Connection::reset()
{
  if (pcb_ == nullptr) {
    return;
  }
  ::tcp_err(pcb_, nullptr);
  {
    const World world(*this);
    ::tcp_abort(pcb_);
  }
  facts_ = 0;
  sent_.clear();
  sent_head_ = 0;
}

void Connection::probe()
{
  if (pcb_ == nullptr || time_wait_) {
    return;
  }
  const World world(*this);
  ::tcp_keepalive(pcb_);
}

bool Connection::closing() const
{
  if (pcb_ == nullptr || time_wait_) {
    return true;
  }
  return pcb_->state == CLOSING || pcb_->state == LAST_ACK;
}

} // namespace slirpstack
