#pragma once

#include "flow/host_network.hh"
#include "gateway/tcp_flow.hh"
#include "stack/connection.hh"

#include <deque>
#include <memory>
#include <optional>

namespace slirpstack {

class TcpRelays;

/// Where in the guest the connection of a client of the host goes.
struct InboundPlan
{
  /// Whom the guest is to see, where possible; none: a client without an address.
  std::optional<Endpoint> client;
  std::deque<Endpoint> targets; ///< tried in order
  std::uint32_t forward_id = 0;
};

/// A client of the host has connected to a local forward (`-L`), and the guest is being asked.
/// Ends in a TcpRelay; in the next target's HostOpening when the guest refuses; or in a reset of
/// the client, whose kernel has told it long ago that it is connected.
class HostOpening final
  : public TcpFlow
  , private HostStreamEvents
  , private ConnectionEvents
{
public:
  /// The key names the target that is asked; `rest` has the others.
  HostOpening(TcpRelays& relays,
              const FlowKey& key,
              std::unique_ptr<HostStream> stream,
              InboundPlan rest);
  ~HostOpening() override;
  HostOpening(const HostOpening&) = delete;
  HostOpening& operator=(const HostOpening&) = delete;
  HostOpening(HostOpening&&) = delete;
  HostOpening& operator=(HostOpening&&) = delete;

  /// Sends the SYN. Call once, after this has entered the flow table.
  void start();

  void on_segment(GuestPacket&& packet, const IpHeader& ip, std::uint8_t flags) override;
  [[nodiscard]] TimePoint deadline() const override { return deadline_; }
  void on_deadline(TimePoint now) override;
  void on_guest_unreachable() override;

private:
  void on_connected() override {}
  void on_connect_failed(const HostError&) override {}
  void on_readable(bool hangup) override;
  void on_writable() override {}
  void on_established() override;
  void on_guest_data() override {}
  void on_room() override {}
  void on_gone() override;

  void try_next_target();

  TcpRelays& relays_;
  std::unique_ptr<HostStream> stream_;
  std::unique_ptr<Connection> connection_;
  InboundPlan rest_;
  TimePoint deadline_;
  bool readable_ = true; ///< what came before we listened makes no event
  bool hangup_ = false;
};

} // namespace slirpstack
