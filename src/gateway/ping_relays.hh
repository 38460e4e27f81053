#pragma once

#include "base/siphash.hh"
#include "flow/event_time.hh"
#include "flow/flow_table.hh"
#include "flow/host_network.hh"
#include "gateway/guest_sender.hh"
#include "gateway/icmp_reporter.hh"
#include "gateway/mapped_sources.hh"

#include <chrono>
#include <memory>
#include <optional>
#include <unordered_map>

namespace slirpstack {

class PingFlow;
class PingMapping;

/// The guest's echo requests through ping sockets of the host (RFC 5508): one socket per address
/// and identifier of the guest, one flow per remote. Round trip times are the network's own.
class PingRelays
{
public:
  struct Settings
  {
    /// RFC 5508 REQ-2: at least 60 seconds.
    std::chrono::seconds timeout{60};
    std::optional<IpAddress> source_ipv4;
    std::optional<IpAddress> source_ipv6;
    /// Goes before both; null: nothing is mapped. Must outlive the relays.
    MappedSources* mapped = nullptr;
    /// Sockets at most.
    std::size_t max_mappings = 1024;
  };

  /// All references must outlive this.
  PingRelays(const Settings& settings,
             const HashSecret& secret,
             const EventTime& time,
             HostNetwork& host,
             FlowTable& flows,
             GuestSender& guest,
             IcmpReporter& icmp,
             DropCounters& drops);
  ~PingRelays();
  PingRelays(const PingRelays&) = delete;
  PingRelays& operator=(const PingRelays&) = delete;
  PingRelays(PingRelays&&) = delete;
  PingRelays& operator=(PingRelays&&) = delete;

  /// The key of an echo request's flow: the identifier is the guest's port.
  [[nodiscard]] static FlowKey key_of(const IpHeader& header, const IcmpEcho& request);

  /// An echo request from the guest, whose hop limit is at least 2. `known` is what the flow table
  /// has under the request's key; null opens a flow with `record`, so policy has been asked. Where
  /// the host allows no ping sockets, or the request cannot be sent, an ICMP error answers.
  void on_echo_request(const IpHeader& header,
                       const IcmpEcho& request,
                       Relay* known,
                       FlowRecord record);

  [[nodiscard]] std::size_t mappings() const { return mappings_.size(); }
  /// Whether there is a socket for that address and identifier of the guest.
  [[nodiscard]] bool has_mapping(const Endpoint& guest) const { return mappings_.contains(guest); }

private:
  friend class PingFlow;
  friend class PingMapping;

  PingFlow* open_flow(const FlowKey& key, FlowRecord record, HostError& error);
  PingMapping* open_mapping(const Endpoint& guest, HostError& error);
  void complain(std::error_code code);
  void on_reply(const PingMapping& mapping,
                const IpAddress& from,
                const IcmpEcho& reply,
                std::uint8_t hop_limit);
  void on_undelivered(const PingMapping& mapping,
                      const IpAddress& to,
                      const IcmpEcho& request,
                      const HostError& error);
  void on_flow_closed(PingMapping& mapping, const Endpoint& remote);

  Settings settings_;
  const EventTime& time_;
  HostNetwork& host_;
  FlowTable& flows_;
  GuestSender& guest_;
  IcmpReporter& icmp_;
  DropCounters& drops_;
  bool complained_ = false;
  std::unordered_map<Endpoint, std::unique_ptr<PingMapping>, FlowKeyHash> mappings_;
};

/// Answers an echo request to an address of our own, the gateway's or the DNS server's.
void answer_echo(GuestSender& guest, const IpHeader& header, const IcmpEcho& request);

} // namespace slirpstack
