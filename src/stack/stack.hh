#pragma once

#include "base/block_pool.hh"
#include "base/clock.hh"
#include "base/siphash.hh"
#include "flow/packet_sink.hh"

#include <cstdint>
#include <memory>

struct tcp_pcb;
struct tcp_pcb_listen;

namespace slirpstack {

class Connection;

/// lwIP as a TCP engine: its one network interface, its clock and its one listener.
///
/// lwIP looks every segment up by walking global lists. Here each connection is a world of its
/// own: before every call into lwIP a scope points the lists at just that connection's pcb, and
/// afterwards they are empty again. Our flow table has found the connection already, so everything
/// in lwIP that was linear in the number of connections is constant.
///
/// lwIP's state is global: several Stacks share it, each with a clock of its own, and lwIP works
/// for one at a time.
class Stack
{
public:
  /// `guest` takes what lwIP sends. `pool` bounds what connections retain.
  Stack(PacketSink& guest, BlockPool& pool, const HashSecret& secret);
  /// All connections must be gone.
  ~Stack();
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  Stack(Stack&&) = delete;
  Stack& operator=(Stack&&) = delete;

  /// Tells the time. Before anything else of a turn: sequence numbers and timers go by it.
  void set_time(TimePoint now) { now_ = now; }
  [[nodiscard]] TimePoint now() const { return now_; }

  /// When to call `tick()`; NEVER while no connection waits for a timer.
  [[nodiscard]] TimePoint next_tick() const { return next_tick_; }
  /// Runs the timers of the connections that need one: delayed ACKs, retransmission, persist.
  void tick();

  /// The invariant behind "one flow, one world": between calls lwIP knows no connection and no
  /// listener.
  [[nodiscard]] bool lists_are_empty() const;
  /// Connections that the next tick will visit.
  [[nodiscard]] std::size_t ticking() const { return ticking_count_; }

private:
  friend class Connection;
  friend struct StackCallbacks;

  static void add_interface();
  /// lwIP works for this one from now on, until another enters. To be called before lwIP is.
  void enter();
  void keep_ticking(Connection& connection);
  void forget(Connection& connection);

  PacketSink& guest_;
  BlockPool& pool_;
  HashSecret secret_;
  TimePoint now_{};
  TimePoint next_tick_ = NEVER;
  std::uint32_t lwip_ticks_ = 0; ///< lwIP's count of slow ticks, while it works for another
  bool is_slow_tick_ = true;
  tcp_pcb_listen* listener_ = nullptr;
  Connection* ticking_ = nullptr; ///< doubly linked through the connections
  std::size_t ticking_count_ = 0;
};

} // namespace slirpstack
