#pragma once

#include "base/block_pool.hh"
#include "base/bytes.hh"
#include "flow/guest_packet.hh"
#include "stack/stack.hh"
#include "wire/ip.hh"

#include <cstdint>
#include <memory>
#include <span>
#include <sys/uio.h>
#include <vector>

struct pbuf;

namespace slirpstack {

/// What becomes of a connection, told after lwIP has been left: a handler may call the connection
/// again but must not destroy it.
class ConnectionEvents
{
public:
  virtual ~ConnectionEvents() = default;
  /// The guest has answered our SYN or SYN-ACK.
  virtual void on_established() = 0;
  /// There is data to be taken, or the guest has finished sending.
  virtual void on_guest_data() = 0;
  /// The guest has acknowledged data or opened its window: `room_bytes()` may have grown.
  virtual void on_room() = 0;
  /// Reset, timed out, or closed in order on both sides.
  virtual void on_gone() = 0;
};

/// The guest's side of a TCP connection: one lwIP pcb, which dies with it. Destroyed while alive,
/// it resets the guest.
///
/// Two queues wait here, both bounded by a window: what the guest sent and the host has not taken
/// (the window that we advertise), and what the host sent and the guest has not acknowledged.
/// Payload is never copied, but for small pieces, which would pin large blocks.
class Connection
{
public:
  /// The pieces that `unread()` gives at most: one sendmsg().
  static constexpr std::size_t MAX_PIECES = 64;

  /// Asks the guest for a connection: `from` is whom it sees, which may be any address, `guest` its
  /// own endpoint. Goes on as established or as gone. Null when lwIP is out of memory.
  [[nodiscard]] static std::unique_ptr<Connection> dial(Stack& stack,
                                                        ConnectionEvents& events,
                                                        const Endpoint& from,
                                                        const Endpoint& guest);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  Connection(Connection&&) = delete;
  Connection& operator=(Connection&&) = delete;

  /// Events go there from now on, those of the present segment included.
  void deliver_to(ConnectionEvents& events) { events_ = &events; }

  /// Feeds a segment of this connection. Its TCP header must have been parsed: lwIP trusts it.
  /// False: it was dropped for lack of memory, as if it had been lost on the way.
  bool input(GuestPacket&& packet, const IpHeader& ip);

  /// Guest to host: the pieces that wait, oldest first; returns how many.
  [[nodiscard]] std::size_t unread(std::span<iovec> pieces) const;
  [[nodiscard]] std::size_t unread_bytes() const { return unread_bytes_; }
  /// The host has taken that many bytes: frees them and opens the window.
  void consume(std::size_t length_bytes);
  /// The end of a batch: acknowledges now what an ordinary receiver would.
  void acknowledge();
  /// The guest's FIN has arrived (and all data before it).
  [[nodiscard]] bool guest_finished() const { return guest_finished_; }

  /// Host to guest: how many bytes to take from the host now. 0: wait for `on_room()`.
  [[nodiscard]] std::uint32_t room_bytes() const;
  /// The payload of one super-segment: how much of a block to fill.
  [[nodiscard]] std::uint32_t super_segment_bytes() const;
  /// Queues the first `length_bytes` of a block (at most 65535). `more`: another write follows
  /// before `push()`. False when lwIP refuses: the connection cannot go on.
  [[nodiscard]] bool write(Block block, std::uint32_t length_bytes, bool more);
  /// Sends what was written.
  void push();
  /// No more data from the host: FIN behind what was written.
  void finish();
  /// RST, and gone.
  void reset();
  /// Asks the guest whether it is still there (a keepalive segment, RFC 9293 3.8.4).
  void probe();

  [[nodiscard]] bool established() const { return established_; }
  [[nodiscard]] bool gone() const { return pcb_ == nullptr; }
  /// Both sides have finished and only the 2 MSL wait is left.
  [[nodiscard]] bool in_time_wait() const { return time_wait_; }
  /// Whether a new SYN may take over the name (RFC 6191): no data can be lost by that.
  [[nodiscard]] bool closing() const;

private:
  friend class Stack;
  friend class ParkedSyn;
  friend struct StackCallbacks;
  class World;

  enum Fact : std::uint8_t
  {
    FACT_ESTABLISHED = 1,
    FACT_DATA = 2,
    FACT_ROOM = 4,
    FACT_GONE = 8,
  };
  struct Sent
  {
    Block block;
    std::uint32_t length_bytes;
  };

  Connection(Stack& stack, ConnectionEvents& events);
  void admit(const IpHeader& ip, ByteView tcp_header);
  void listen_to_pcb();
  void learn_segment_size();
  void feed(pbuf* segment, const IpHeader& ip, const std::uint8_t* ip_header);
  void settle();
  void open_send_window();
  void assert_segment_size();
  void stop_needless_persist_timer();
  void release_sent(std::uint32_t acknowledged_bytes);
  [[nodiscard]] bool would_be_retained(ByteView segment) const;
  [[nodiscard]] std::size_t cut_to_window(MutableBytes segment) const;
  [[nodiscard]] bool needs_tick() const;
  [[nodiscard]] std::uint32_t in_flight_bytes() const;
  [[nodiscard]] std::uint32_t send_window() const;

  Stack& stack_;
  ConnectionEvents* events_;
  tcp_pcb* pcb_ = nullptr;
  Connection* next_ticking_ = nullptr;
  Connection* previous_ticking_ = nullptr;
  pbuf* unread_first_ = nullptr; ///< a chain; what the guest sent and the host has not taken
  pbuf* unread_last_ = nullptr;
  std::vector<Sent> sent_; ///< what lwIP references until the guest acknowledges it
  std::size_t sent_head_ = 0;
  std::uint32_t sent_head_acknowledged_bytes_ = 0;
  std::uint32_t unread_bytes_ = 0;
  std::uint32_t unacknowledged_bytes_ = 0; ///< received since our last ACK
  std::uint16_t guest_segment_bytes_ = 0;  ///< the guest's MSS
  std::uint16_t super_segment_bytes_ = 0;  ///< the largest multiple of it that fits a packet
  std::uint8_t facts_ = 0;
  bool is_ticking_ = false;
  bool time_wait_ = false;
  bool established_ = false;
  bool guest_finished_ = false;
};

} // namespace slirpstack
