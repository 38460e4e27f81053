#pragma once

#include "flow/host_network.hh"
#include "gateway/keepalive.hh"
#include "gateway/tcp_flow.hh"
#include "gateway/throttle.hh"
#include "stack/connection.hh"
#include "stack/parked_syn.hh"

#include <memory>

namespace slirpstack {

class TcpRelays;

/// A TCP flow with both its ends: the guest's connection, terminated by lwIP, and the host's
/// socket.
///
///     open        both ends live; each side's window is the other's back-pressure
///     closing     both have finished: the socket is closed, lwIP says goodbye (or waits 2 MSL)
///
/// Events from both sides only note what happened and put the relay on the work list; `work()`,
/// once per batch, moves the bytes.
class TcpRelay final
  : public TcpFlow
  , private HostStreamEvents
  , private ConnectionEvents
{
public:
  /// Takes the host's end, which is connected. The guest's follows by `admit()` or `take()`.
  TcpRelay(TcpRelays& relays, const FlowKey& key, std::unique_ptr<HostStream> stream);
  ~TcpRelay() override;
  TcpRelay(const TcpRelay&) = delete;
  TcpRelay& operator=(const TcpRelay&) = delete;
  TcpRelay(TcpRelay&&) = delete;
  TcpRelay& operator=(TcpRelay&&) = delete;

  /// The guest's end from its SYN. False: lwIP could not take it.
  [[nodiscard]] bool admit(const ParkedSyn& syn);
  /// The guest's end, which is established. `readable`, `hangup`: what the host's end has said.
  void take(std::unique_ptr<Connection> connection, bool readable, bool hangup);

  void on_segment(GuestPacket&& packet, const IpHeader& ip, std::uint8_t flags) override;
  [[nodiscard]] std::optional<Endpoint> host_local() const override;
  [[nodiscard]] std::optional<StreamAddress> host_remote() const override;
  /// Moves what can be moved. True: there is more to do at once.
  [[nodiscard]] bool work();
  [[nodiscard]] bool gives_way_to_syn() const override;
  /// Both ends have closed; the flow holds no descriptor any more.
  [[nodiscard]] bool lingers() const { return !stream_; }
  [[nodiscard]] bool expendable() const override { return lingers(); }
  [[nodiscard]] bool delivering(TimePoint quiet_since) const override;

  [[nodiscard]] TimePoint deadline() const override { return deadline_; }
  void on_deadline(TimePoint now) override;

private:
  enum class Side : std::uint8_t
  {
    guest,
    host,
  };
  enum class Act : std::uint8_t
  {
    read,
    write,
  };

  void on_connected() override {}
  void on_connect_failed(const HostError&) override {}
  void on_readable(bool hangup) override;
  void on_writable() override;
  void on_established() override;
  void on_guest_data() override;
  void on_room() override;
  void on_gone() override;

  void push_to_host();
  [[nodiscard]] bool pull_from_host();
  [[nodiscard]] bool pull_once(std::uint32_t room_bytes);
  [[nodiscard]] bool write_to_guest(std::size_t received_bytes, std::uint32_t segment_bytes);
  void on_host_end();
  void close_if_done();
  void fail();
  void note_end(Side side, Act act, std::error_code error = {});
  void note_work();
  void restart_deadline(Duration after);

  TcpRelays& relays_;
  std::unique_ptr<HostStream> stream_;
  std::unique_ptr<Connection> connection_;
  TimePoint deadline_ = NEVER;
  Keepalive keepalive_; ///< of the guest's end
  Throttle throttle_;
  bool has_work_ = false;    ///< is on the work list
  bool is_paused_ = false;   ///< is on the list of those that wait for their rate
  bool readable_ = false;    ///< the host may have data
  bool hangup_ = false;      ///< a short receive does not mean drained
  bool writable_ = true;     ///< the host's socket has not refused data
  bool host_ended_ = false;  ///< end of stream read, FIN sent to the guest
  bool guest_ended_ = false; ///< all of the guest's data passed on, FIN sent to the host

  friend class TcpRelays;
};

} // namespace slirpstack
