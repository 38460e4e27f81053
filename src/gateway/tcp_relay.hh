#pragma once

#include "flow/flow_table.hh"
#include "flow/host_network.hh"
#include "stack/connection.hh"
#include "stack/parked_syn.hh"

#include <memory>
#include <vector>

namespace slirpstack {

class TcpRelays;

/// One TCP flow: the guest's connection, terminated by lwIP, and the host's socket.
///
///     opening     the SYN is parked while the host connects; ends admitted or refused
///     open        both ends live; each side's window is the other's back-pressure
///     closing     both have finished: the socket is closed, lwIP says goodbye (or waits 2 MSL)
///
/// Events from both sides only note what happened and put the relay on the work list; `work()`,
/// once per batch, moves the bytes.
class TcpRelay final
  : public Relay
  , private HostStreamEvents
  , private ConnectionEvents
{
public:
  /// `is_dns`: `targets` are resolvers, each of which gets little time before the next is tried.
  TcpRelay(TcpRelays& relays,
           const FlowKey& key,
           ParkedSyn syn,
           std::vector<Endpoint> targets,
           bool is_dns);
  ~TcpRelay() override;
  TcpRelay(const TcpRelay&) = delete;
  TcpRelay& operator=(const TcpRelay&) = delete;
  TcpRelay(TcpRelay&&) = delete;
  TcpRelay& operator=(TcpRelay&&) = delete;

  /// Starts to connect. Call once, after the relay has entered the flow table.
  void open();
  /// A segment of this flow; its options have been checked.
  void on_segment(GuestPacket&& packet, const IpHeader& ip, std::uint8_t flags);
  /// Moves what can be moved. True: there is more to do at once.
  [[nodiscard]] bool work();
  /// Whether the guest's new SYN may take over this flow's name (RFC 6191).
  [[nodiscard]] bool gives_way_to_syn() const;
  /// Both ends have closed; the flow holds no descriptor any more.
  [[nodiscard]] bool lingers() const { return !opening_ && !stream_; }
  [[nodiscard]] bool expendable() const override { return lingers(); }
  [[nodiscard]] bool delivering(TimePoint quiet_since) const override;

  [[nodiscard]] TimePoint deadline() const override { return deadline_; }
  void on_deadline(TimePoint now) override;

private:
  struct Opening
  {
    ParkedSyn syn;
    std::vector<Endpoint> targets; ///< tried in order
    bool is_dns = false;
    std::size_t next_target = 0;
  };

  void on_connected() override;
  void on_connect_failed(const HostError& error) override;
  void on_readable(bool hangup) override;
  void on_writable() override;
  void on_established() override;
  void on_guest_data() override;
  void on_room() override;
  void on_gone() override;

  void try_next_target(HostError last_error);
  void refuse(const HostError& error);
  void push_to_host();
  [[nodiscard]] bool pull_from_host();
  [[nodiscard]] bool pull_once(std::uint32_t room_bytes);
  [[nodiscard]] bool write_to_guest(std::size_t received_bytes, std::uint32_t segment_bytes);
  void on_host_end();
  void close_if_done();
  void fail();
  void note_work();
  void restart_deadline(Duration after);

  TcpRelays& relays_;
  std::unique_ptr<Opening> opening_;
  std::unique_ptr<HostStream> stream_;
  std::unique_ptr<Connection> connection_;
  TimePoint deadline_ = NEVER;
  TimePoint guest_heard_;    ///< when its last segment came
  std::uint8_t probes_ = 0;  ///< unanswered
  bool has_work_ = false;    ///< is on the work list
  bool readable_ = false;    ///< the host may have data
  bool hangup_ = false;      ///< a short receive does not mean drained
  bool writable_ = true;     ///< the host's socket has not refused data
  bool host_ended_ = false;  ///< end of stream read, FIN sent to the guest
  bool guest_ended_ = false; ///< all of the guest's data passed on, FIN sent to the host

  friend class TcpRelays;
};

} // namespace slirpstack
