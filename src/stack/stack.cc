#include "stack/stack.hh"

#include "stack/callbacks.hh"
#include "stack/connection.hh"
#include "wire/checksum.hh"
#include "wire/tcp.hh"

#include <array>
#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <sys/random.h>
#include <utility>

namespace slirpstack {

namespace {

constexpr std::chrono::milliseconds TICK(TCP_TMR_INTERVAL);
constexpr std::size_t MAX_OUTPUT_PIECES = 64;

Stack* the_stack = nullptr; // that lwIP works for; its hooks carry no context
std::size_t stacks = 0;
HashSecret isn_secret;

netif& interface()
{
  static netif instance{};
  return instance;
}

std::size_t gather(const pbuf* packet, std::span<iovec> pieces)
{
  std::size_t count = 0;
  for (; packet != nullptr; packet = packet->next) {
    if (packet->len == 0) {
      continue;
    }
    if (count == pieces.size()) {
      return 0;
    }
    pieces[count++] = {packet->payload, packet->len};
  }
  return count;
}

/// lwIP has left TCP's checksum out (CHECKSUM_GEN_TCP 0): the pseudo-header's sum goes there, as
/// virtio wants it.
void prepare_checksum(std::uint8_t* ip_header,
                      std::uint16_t ip_header_bytes,
                      std::uint32_t total_bytes)
{
  const std::size_t address_bytes = ip_header_bytes == IPV4_HEADER_BYTES ? 4 : 16;
  const std::size_t source_offset = ip_header_bytes - 2 * address_bytes;
  Checksum sum;
  sum.add({ip_header + source_offset, 2 * address_bytes});
  sum.add_u32(PROTOCOL_TCP);
  sum.add_u32(total_bytes - ip_header_bytes);
  Writer(MutableBytes(ip_header + ip_header_bytes + TCP_CHECKSUM_OFFSET, 2)).u16(sum.folded());
}

void send(PacketSink& guest,
          pbuf* packet,
          std::uint16_t ip_header_bytes,
          std::uint16_t segment_bytes)
{
  auto* ip_header = static_cast<std::uint8_t*>(packet->payload);
  prepare_checksum(ip_header, ip_header_bytes, packet->tot_len);
  const std::uint16_t headers_bytes = ip_header_bytes + (ip_header[ip_header_bytes + 12] >> 4U) * 4;
  std::array<iovec, MAX_OUTPUT_PIECES> pieces;
  std::size_t count = gather(packet, pieces);
  std::array<std::uint8_t, 65536> flat; // NOLINT: only what is copied is sent
  if (count == 0) {
    // After a loss many small writes may have become one segment.
    pieces[0] = {flat.data(), ::pbuf_copy_partial(packet, flat.data(), packet->tot_len, 0)};
    count = 1;
  }
  const bool is_super = packet->tot_len - headers_bytes > segment_bytes;
  guest.send({.pieces = std::span(pieces).first(count),
              .checksum = ChecksumState::partial,
              .ip_header_length_bytes = ip_header_bytes,
              .checksum_offset_bytes = TCP_CHECKSUM_OFFSET,
              .headers_length_bytes = headers_bytes,
              .segment_size_bytes = is_super ? segment_bytes : std::uint16_t{0}});
}

} // namespace

err_t StackCallbacks::initialise(netif* interface) noexcept
{
  interface->name[0] = 't';
  interface->name[1] = 'p';
  interface->mtu = 0xffff;
  interface->output = output_ipv4;
  interface->output_ip6 = output_ipv6;
  interface->flags = NETIF_FLAG_UP | NETIF_FLAG_LINK_UP;
  return ERR_OK;
}

Stack::Stack(PacketSink& guest, BlockPool& pool, const HashSecret& secret)
  : guest_(guest), pool_(pool)
{
  if (stacks++ == 0) {
    isn_secret = secret;
    add_interface();
  }
  enter();
  tcp_pcb* pcb = ::tcp_new_ip_type(IPADDR_TYPE_ANY);
  ::tcp_bind(pcb, IP_ANY_TYPE, 1);
  listener_ = reinterpret_cast<tcp_pcb_listen*>(::tcp_listen(pcb));
  ::tcp_accept(reinterpret_cast<tcp_pcb*>(listener_), StackCallbacks::accepted);
  tcp_listen_pcbs.listen_pcbs = nullptr; // listens for nobody; admit() lends it to a SYN
}

Stack::~Stack()
{
  assert(ticking_ == nullptr && lists_are_empty());
  enter();
  tcp_listen_pcbs.listen_pcbs = listener_; // or it could not be taken out
  ::tcp_close(reinterpret_cast<tcp_pcb*>(listener_));
  the_stack = nullptr;
  if (--stacks == 0) {
    ::netif_remove(&interface());
  }
}

void Stack::add_interface()
{
  [[maybe_unused]] static const bool initialised = [] {
    ::lwip_init();
    return true;
  }();
  assert(initialised);
  // lwIP routes through an interface only if it has an IPv4 address; which one nobody sees.
  ip4_addr_t address;
  IP4_ADDR(&address, 127, 0, 0, 1);
  ::netif_add(
    &interface(), &address, &address, &address, nullptr, StackCallbacks::initialise, nullptr);
  ::netif_set_default(&interface());
}

void Stack::enter()
{
  if (the_stack == this) {
    return;
  }
  if (the_stack != nullptr) {
    the_stack->lwip_ticks_ = tcp_ticks;
  }
  the_stack = this;
  tcp_ticks = lwip_ticks_;
  interface().state = this;
}

bool Stack::lists_are_empty() const
{
  return tcp_active_pcbs == nullptr && tcp_tw_pcbs == nullptr && tcp_bound_pcbs == nullptr
         && tcp_listen_pcbs.listen_pcbs == nullptr;
}

void Stack::keep_ticking(Connection& connection)
{
  if (next_tick_ == NEVER) {
    next_tick_ = now_ + TICK;
  }
  if (std::exchange(connection.is_ticking_, true)) {
    return;
  }
  connection.previous_ticking_ = nullptr;
  connection.next_ticking_ = ticking_;
  if (ticking_ != nullptr) {
    ticking_->previous_ticking_ = &connection;
  }
  ticking_ = &connection;
  ++ticking_count_;
}

void Stack::forget(Connection& connection)
{
  if (!std::exchange(connection.is_ticking_, false)) {
    return;
  }
  (connection.previous_ticking_ != nullptr ? connection.previous_ticking_->next_ticking_ : ticking_)
    = connection.next_ticking_;
  if (connection.next_ticking_ != nullptr) {
    connection.next_ticking_->previous_ticking_ = connection.previous_ticking_;
  }
  --ticking_count_;
}

void Stack::tick()
{
  enter();
  // Only here do several connections share a world: lwIP visits each exactly once.
  for (Connection* connection = ticking_; connection != nullptr;
       connection = connection->next_ticking_) {
    if (connection->pcb_ == nullptr || connection->time_wait_) {
      continue;
    }
    if (connection->pcb_->state == LAST_ACK) {
      // lwIP gives a silent guest 4 s here. A closed window keeps our FIN out for longer than that;
      // the relay's deadline and the retransmissions have their own end.
      connection->pcb_->tmr = tcp_ticks;
    }
    connection->pcb_->next = tcp_active_pcbs;
    tcp_active_pcbs = connection->pcb_;
  }
  // What tcp_tmr() does, but each stack has its own count of halves.
  ::tcp_fasttmr();
  if (std::exchange(is_slow_tick_, !is_slow_tick_)) {
    ::tcp_slowtmr();
  }
  while (tcp_active_pcbs != nullptr) {
    tcp_pcb* pcb = std::exchange(tcp_active_pcbs, tcp_active_pcbs->next);
    pcb->next = nullptr;
  }
  next_tick_ = NEVER;
  for (Connection* connection = ticking_; connection != nullptr;) {
    Connection& visited = *std::exchange(connection, connection->next_ticking_);
    forget(visited);
    visited.settle();
  }
}

err_t StackCallbacks::output_ipv4(netif* interface, pbuf* packet, const ip4_addr_t*) noexcept
{
  auto& stack = *static_cast<Stack*>(interface->state);
  send(stack.guest_, packet, IPV4_HEADER_BYTES, segment_bytes(*interface));
  return ERR_OK;
}

err_t StackCallbacks::output_ipv6(netif* interface, pbuf* packet, const ip6_addr_t*) noexcept
{
  auto& stack = *static_cast<Stack*>(interface->state);
  send(stack.guest_, packet, IPV6_HEADER_BYTES, segment_bytes(*interface));
  return ERR_OK;
}

} // namespace slirpstack

using namespace slirpstack;

// lwIP asks for its timer when a connection appears; keep_ticking() knows better when one is
// needed.
extern "C" void tcp_timer_needed() {}

extern "C" u32_t slirpstack_tcp_isn(const ip_addr_t* local_ip,
                                    u16_t local_port,
                                    const ip_addr_t* remote_ip,
                                    u16_t remote_port)
{
  std::array<std::uint8_t, 36> tuple{};
  Writer writer(tuple);
  writer.bytes(from_lwip(*local_ip).bytes());
  writer.u16(local_port);
  writer.bytes(from_lwip(*remote_ip).bytes());
  writer.u16(remote_port);
  // RFC 6528 section 3: a clock of four microseconds plus a keyed hash of the connection's name.
  const auto elapsed
    = std::chrono::duration_cast<std::chrono::microseconds>(the_stack->now().time_since_epoch());
  return static_cast<u32_t>(elapsed.count() / 4)
         + static_cast<u32_t>(siphash(isn_secret, ByteView(tuple).first(writer.written())));
}

extern "C" uint32_t slirpstack_random()
{
  uint32_t value = 0;
  if (::getrandom(&value, sizeof value, 0) != sizeof value) {
    std::abort();
  }
  return value;
}

extern "C" void slirpstack_lwip_assert(const char* text, const char* file, int line)
{
  std::fprintf(stderr, "slirpstack: lwIP: %s (%s:%d)\n", text, file, line);
  std::abort();
}
