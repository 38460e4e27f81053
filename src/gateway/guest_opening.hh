#pragma once

#include "flow/forward_spec.hh"
#include "flow/target.hh"
#include "gateway/target_sequence.hh"
#include "gateway/tcp_flow.hh"
#include "stack/parked_syn.hh"

#include <deque>
#include <memory>

namespace slirpstack {

class TcpRelays;

/// Where the host's end of a connection of the guest may be.
struct OutboundPlan
{
  enum class Kind : std::uint8_t
  {
    direct,  ///< the destination itself
    dns,     ///< the host's resolvers
    forward, ///< what a remote forward (`-R`) names
  };

  Kind kind = Kind::direct;
  std::deque<Target> targets; ///< tried in order
  ForwardScheme scheme = ForwardScheme::tcp;
};

/// The guest opens a connection: its SYN is parked while the host connects to the first target
/// that answers. Ends in a TcpRelay, or refused, with the answer that the host got.
class GuestOpening final
  : public TcpFlow
  , private HostStreamEvents
{
public:
  GuestOpening(TcpRelays& relays, const FlowKey& key, ParkedSyn syn, OutboundPlan plan);

  /// Starts to connect. Call once, after this has entered the flow table.
  void start();

  void on_segment(GuestPacket&& packet, const IpHeader& ip, std::uint8_t flags) override;
  [[nodiscard]] TimePoint deadline() const override { return deadline_; }
  void on_deadline(TimePoint now) override;

private:
  void on_connected() override;
  void on_connect_failed(const HostError& error) override;
  void on_readable(bool) override {}
  void on_writable() override {}

  void try_next_target(HostError last_error);
  [[nodiscard]] bool connect(const StreamAddress& target, HostError& error);
  [[nodiscard]] bool send_proxy_header();
  void refuse(const HostError& error);
  void answer_for_resolvers(const HostError& error);
  [[nodiscard]] Duration patience() const;

  TcpRelays& relays_;
  ParkedSyn syn_;
  OutboundPlan::Kind kind_;
  ForwardScheme scheme_;
  TargetSequence targets_;
  std::unique_ptr<HostStream> stream_;
  TimePoint deadline_;
};

} // namespace slirpstack
