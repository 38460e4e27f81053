#pragma once

#include "flow/forward.hh"
#include "gateway/target_sequence.hh"
#include "gateway/udp_relays.hh"

#include <vector>

namespace slirpstack {

class UdpRun;

/// A UDP flow of the guest to a remote forward (`-R`): a socket of its own towards the forward's
/// target, whose datagrams come back in the name of the address that the guest had asked.
class UdpTargetFlow final
  : public UdpRelay
  , private UdpSender
  , private HostDatagramEvents
{
public:
  /// `forward` is copied: it may be removed while the flow drains.
  UdpTargetFlow(UdpRelays& relays, const FlowKey& key, const RemoteForward& forward);
  ~UdpTargetFlow() override;
  UdpTargetFlow(const UdpTargetFlow&) = delete;
  UdpTargetFlow& operator=(const UdpTargetFlow&) = delete;
  UdpTargetFlow(UdpTargetFlow&&) = delete;
  UdpTargetFlow& operator=(UdpTargetFlow&&) = delete;

  void on_guest_datagram(const GuestDatagram& datagram) override;
  [[nodiscard]] TimePoint deadline() const override;
  void on_deadline(TimePoint now) override;
  [[nodiscard]] std::optional<Endpoint> host_local() const override;
  [[nodiscard]] std::optional<StreamAddress> host_remote() const override;

private:
  [[nodiscard]] HostDatagrams& socket() override { return *socket_; }
  void on_send_failed(const OutboundDatagram& datagram, const HostError& error) override;
  void on_datagrams(std::span<const InboundDatagram> datagrams) override;
  void on_error(const HostError& error, const Endpoint& to, ByteView payload) override;

  void try_next_target(const HostError& last_error);
  [[nodiscard]] bool open(const Endpoint& target, HostError& error);
  void keep(ByteView data);
  void send(const GuestDatagram& datagram);
  void send_one(ByteView data);
  void deliver(ByteView data, UdpRun& run);
  void report(const HostError& error, ByteView payload);

  UdpRelays& relays_;
  ForwardScheme scheme_;
  TargetSequence targets_;
  std::unique_ptr<HostDatagrams> socket_;
  Endpoint target_;
  std::vector<std::vector<std::uint8_t>> waiting_; ///< until the target is known
  TimePoint last_active_;
};

} // namespace slirpstack
