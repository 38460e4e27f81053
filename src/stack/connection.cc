#include "stack/connection.hh"

#include "stack/callbacks.hh"
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

// The largest IPv6 and TCP headers that lwIP writes leave this much of a packet.
constexpr std::uint32_t MAX_SUPER_SEGMENT_BYTES = 65535 - 60;

// A guest may announce any MSS; Linux itself sends none below this (net.ipv4.tcp_min_snd_mss is 48,
// its clients never go below 88), and cutting a super-segment into single bytes would be work that
// a guest could make us do.
constexpr std::uint16_t MIN_GUEST_SEGMENT_BYTES = 88;

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

/// While it lives, lwIP knows this connection and no other.
class Connection::World
{
public:
  explicit World(Connection& connection) : connection_(connection)
  {
    assert(connection.stack_.lists_are_empty());
    if (connection.pcb_ == nullptr) {
      return;
    }
    (connection.time_wait_ ? tcp_tw_pcbs : tcp_active_pcbs) = connection.pcb_;
    connection.pcb_->next = nullptr;
  }
  ~World()
  {
    connection_.time_wait_ = tcp_active_pcbs == nullptr && tcp_tw_pcbs != nullptr;
    connection_.pcb_ = connection_.time_wait_ ? tcp_tw_pcbs : tcp_active_pcbs;
    tcp_active_pcbs = nullptr;
    tcp_tw_pcbs = nullptr;
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  World(World&&) = delete;
  World& operator=(World&&) = delete;

private:
  Connection& connection_;
};

Connection::Connection(Stack& stack, ConnectionEvents& events) : stack_(stack), events_(events) {}

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

void Connection::admit(const IpHeader& ip, ByteView headers)
{
  const ByteView tcp = headers.subspan(ip.header_length_bytes);
  pbuf* segment = ::pbuf_alloc(PBUF_RAW, static_cast<u16_t>(tcp.size()), PBUF_RAM);
  if (segment == nullptr) {
    return;
  }
  ::pbuf_take(segment, tcp.data(), static_cast<u16_t>(tcp.size()));
  auto& listener = *stack_.listener_;
  listener.local_port = Reader(tcp.subspan(2)).u16();
  listener.callback_arg = this; // inherited by the pcb that the SYN creates
  {
    const World world(*this);
    feed(segment, ip, headers.data());
  }
  listener.local_port = 0;
  listener.callback_arg = nullptr;
  if (pcb_ == nullptr) {
    return;
  }
  ::tcp_recv(pcb_, StackCallbacks::received);
  ::tcp_sent(pcb_, StackCallbacks::acknowledged);
  ::tcp_err(pcb_, StackCallbacks::gone);
  tcp_nagle_disable(pcb_);
  guest_segment_bytes_ = std::max<std::uint16_t>(pcb_->mss, MIN_GUEST_SEGMENT_BYTES);
  super_segment_bytes_ = guest_segment_bytes_;
  if (stack_.guest_.cuts_tcp() && guest_segment_bytes_ < MAX_SUPER_SEGMENT_BYTES) {
    super_segment_bytes_ = static_cast<std::uint16_t>(MAX_SUPER_SEGMENT_BYTES / guest_segment_bytes_
                                                      * guest_segment_bytes_);
  }
  settle();
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
    assert_segment_size();
    if (needs_tick()) {
      stack_.keep_ticking(*this);
    }
  }
  const std::uint8_t facts = std::exchange(facts_, std::uint8_t{0});
  if ((facts & FACT_ESTABLISHED) != 0) {
    open_send_window();
    events_.on_established();
  }
  if ((facts & FACT_DATA) != 0) {
    events_.on_guest_data();
  }
  if ((facts & FACT_ROOM) != 0) {
    events_.on_room();
  }
  if ((facts & FACT_GONE) != 0) {
    events_.on_gone();
  }
}

void Connection::assert_segment_size()
{
  // lwIP takes an MSS option on any segment; a guest that shrinks it behind a queued super-segment
  // would make tcp_write() compute a negative space.
  pcb_->mss = super_segment_bytes_;
}

void Connection::open_send_window()
{
  if (pcb_ == nullptr) {
    return;
  }
  pcb_->cwnd = WIDE_WINDOW_BYTES;
  pcb_->ssthresh = WIDE_WINDOW_BYTES;
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

std::uint16_t StackCallbacks::segment_bytes(const netif& interface) noexcept
{
  // lwIP points the interface at the sending pcb's hints around each output: a legitimate way from
  // a packet back to its connection, also while a tick retransmits for several.
  if (interface.hints == nullptr) {
    return 0xffff;
  } // a reset without a pcb
  const auto* pcb = reinterpret_cast<const tcp_pcb*>(
    reinterpret_cast<const std::uint8_t*>(interface.hints) - offsetof(tcp_pcb, netif_hints));
  const auto* connection = static_cast<const Connection*>(pcb->callback_arg);
  return connection->guest_segment_bytes_ != 0 ? connection->guest_segment_bytes_
                                               : std::uint16_t{0xffff};
}

err_t StackCallbacks::accepted(void* connection, tcp_pcb*, err_t) noexcept
{
  auto& self = *static_cast<Connection*>(connection);
  self.established_ = true;
  self.facts_ |= Connection::FACT_ESTABLISHED;
  return ERR_OK;
}

err_t StackCallbacks::received(void* connection, tcp_pcb* pcb, pbuf* data, err_t) noexcept
{
  auto& self = *static_cast<Connection*>(connection);
  self.facts_ |= Connection::FACT_DATA;
  if (data == nullptr) {
    self.guest_finished_ = true;
    return ERR_OK;
  }
  self.unread_bytes_ += data->tot_len;
  self.unacknowledged_bytes_ += data->tot_len;
  (self.unread_first_ == nullptr ? self.unread_first_ : self.unread_last_->next) = data;
  while (data->next != nullptr) {
    data = data->next;
  }
  self.unread_last_ = data;
  // Not now: acknowledge() decides at the end of the batch. In TIME_WAIT a FIN has come with the
  // data, and there is no later.
  if (pcb->state != TIME_WAIT) {
    tcp_clear_flags(pcb, TF_ACK_NOW);
    tcp_set_flags(pcb, TF_ACK_DELAY);
  }
  return ERR_OK;
}

err_t StackCallbacks::acknowledged(void* connection, tcp_pcb*, u16_t length_bytes) noexcept
{
  auto& self = *static_cast<Connection*>(connection);
  self.release_sent(length_bytes);
  self.facts_ |= Connection::FACT_ROOM;
  return ERR_OK;
}

void StackCallbacks::gone(void* connection, err_t) noexcept
{
  // The pcb is freed by lwIP. In a tick the connection's world is shared, so it is told here.
  static_cast<Connection*>(connection)->pcb_ = nullptr;
}

} // namespace slirpstack
