#pragma once

#include "gateway/ping_relays.hh"

#include <set>

namespace slirpstack {

/// One ping socket of the host for one address and identifier of the guest. It only reports what
/// happens; the consequences are PingRelays'.
class PingMapping final : public HostPingEvents
{
public:
  PingMapping(PingRelays& relays, const Endpoint& guest) : relays_(relays), guest_(guest) {}

  /// Opens the socket; only then may the mapping be used.
  HostError open(HostNetwork& host, const std::optional<SourceAddress>& source);
  void add(const Endpoint& remote) { remotes_.insert(remote); }
  /// Takes back one `add`.
  void remove(const Endpoint& remote) { remotes_.erase(remotes_.find(remote)); }

  /// The identifier is the port.
  [[nodiscard]] const Endpoint& guest() const { return guest_; }
  /// In order; one twice while its old flow waits to be buried.
  [[nodiscard]] const std::multiset<Endpoint>& remotes() const { return remotes_; }
  [[nodiscard]] HostPing& socket() { return *socket_; }

  void on_reply(const IpAddress& from,
                std::uint16_t sequence,
                std::uint8_t hop_limit,
                ByteView data) override;
  void on_error(const HostError& error,
                const IpAddress& to,
                std::uint16_t sequence,
                ByteView data) override;

private:
  PingRelays& relays_;
  Endpoint guest_;
  std::multiset<Endpoint> remotes_;
  std::unique_ptr<HostPing> socket_;
};

/// What a mapping has with one remote: the flow table's entry and its timer.
class PingFlow final : public Relay
{
public:
  PingFlow(PingRelays& relays, PingMapping& mapping, const FlowKey& key);
  ~PingFlow() override;
  PingFlow(const PingFlow&) = delete;
  PingFlow& operator=(const PingFlow&) = delete;
  PingFlow(PingFlow&&) = delete;
  PingFlow& operator=(PingFlow&&) = delete;

  void touch(TimePoint now) { last_active_ = now; }

  [[nodiscard]] PingMapping& mapping() { return mapping_; }
  [[nodiscard]] TimePoint deadline() const override;
  void on_deadline(TimePoint now) override;

private:
  PingRelays& relays_;
  PingMapping& mapping_;
  TimePoint last_active_;
};

} // namespace slirpstack
