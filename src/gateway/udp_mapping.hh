#pragma once

#include "gateway/udp_relays.hh"

#include <set>

namespace slirpstack {

/// One host socket for one address and port of the guest, and the remotes that it has flows with.
/// It only reports what happens; the consequences are UdpRelays'.
class UdpMapping final
  : public UdpSender
  , public HostDatagramEvents
{
public:
  UdpMapping(UdpRelays& relays, const Endpoint& guest) : relays_(relays), guest_(guest) {}
  ~UdpMapping() override { relays_.outbox_.forget(*this); }
  UdpMapping(const UdpMapping&) = delete;
  UdpMapping& operator=(const UdpMapping&) = delete;
  UdpMapping(UdpMapping&&) = delete;
  UdpMapping& operator=(UdpMapping&&) = delete;

  [[nodiscard]] const HostDatagrams& socket() const { return *socket_; }
  /// Opens the socket; only then may the mapping be used.
  HostError open(HostNetwork& host, const std::optional<SourceAddress>& source);
  void add(const Endpoint& remote) { remotes_.insert(remote); }
  /// Takes back one `add`.
  void remove(const Endpoint& remote) { remotes_.erase(remotes_.find(remote)); }

  void note_sending(TimePoint now) { last_sending_ = now; }
  /// When the guest last sent by it.
  [[nodiscard]] TimePoint last_sending() const { return last_sending_; }

  [[nodiscard]] const Endpoint& guest() const { return guest_; }
  /// In order; one twice while its old flow waits to be buried.
  [[nodiscard]] const std::multiset<Endpoint>& remotes() const { return remotes_; }
  [[nodiscard]] bool has_talked_to(const IpAddress& address) const;

  [[nodiscard]] HostDatagrams& socket() override { return *socket_; }
  void on_send_failed(const OutboundDatagram& datagram, const HostError& error) override;
  void on_datagrams(std::span<const InboundDatagram> datagrams) override;
  void on_error(const HostError& error, const Endpoint& to, ByteView payload) override;

private:
  UdpRelays& relays_;
  Endpoint guest_;
  TimePoint last_sending_{};
  std::multiset<Endpoint> remotes_;
  std::unique_ptr<HostDatagrams> socket_;
};

/// What a mapping has with one remote: the flow table's entry and its timer.
class UdpFlow final : public UdpRelay
{
public:
  /// It is as if it had last been active then.
  UdpFlow(UdpRelays& relays,
          UdpMapping& mapping,
          const FlowKey& key,
          TimePoint last_active,
          Duration timeout);
  ~UdpFlow() override;
  UdpFlow(const UdpFlow&) = delete;
  UdpFlow& operator=(const UdpFlow&) = delete;
  UdpFlow(UdpFlow&&) = delete;
  UdpFlow& operator=(UdpFlow&&) = delete;

  void on_guest_datagram(const GuestDatagram& datagram) override;
  /// Payload has come from the remote. False: it is to be dropped.
  [[nodiscard]] bool admits_from_remote(std::size_t payload_bytes);
  [[nodiscard]] std::optional<Endpoint> host_local() const override;
  [[nodiscard]] std::optional<StreamAddress> host_remote() const override { return key().remote; }

  [[nodiscard]] TimePoint deadline() const override { return last_active_ + timeout_; }
  void on_deadline(TimePoint now) override;

private:
  UdpRelays& relays_;
  UdpMapping& mapping_;
  TimePoint last_active_;
  Duration timeout_;
};

} // namespace slirpstack
