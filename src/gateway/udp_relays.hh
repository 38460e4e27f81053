#pragma once

#include "base/siphash.hh"
#include "flow/event_time.hh"
#include "flow/flow_table.hh"
#include "flow/forward.hh"
#include "flow/host_network.hh"
#include "gateway/admission.hh"
#include "gateway/client_names.hh"
#include "gateway/guest_sender.hh"
#include "gateway/icmp_reporter.hh"
#include "gateway/mapped_sources.hh"
#include "gateway/udp_clients.hh"
#include "gateway/udp_outbox.hh"
#include "gateway/udp_relay.hh"
#include "wire/simple_proxy.hh"

#include <chrono>
#include <memory>
#include <optional>
#include <unordered_map>

namespace slirpstack {

class UdpFlow;
class UdpMapping;

/// Puts the Simple Proxy Protocol's header before datagrams.
class SimpleProxyFramer
{
public:
  /// Header and data in one piece, which lasts until the next call.
  [[nodiscard]] ByteView frame(const SimpleProxyHeader& header, ByteView data);

private:
  std::vector<std::uint8_t> framed_;
};

/// Whose datagrams reach the guest on a port of the host that it uses (RFC 4787 5).
enum class UdpFilter : std::uint8_t
{
  endpoint_independent,       ///< anyone's
  address_dependent,          ///< from addresses that the guest has sent to
  address_and_port_dependent, ///< from endpoints that the guest has sent to
};

/// All of the guest's UDP (RFC 4787). A mapping is one host socket per address and port of the
/// guest, whatever it talks to (REQ-1); beside it the flow table holds one flow per remote, which
/// carries the timer and lets that remote's datagrams in. A mapping ends with its last flow.
///
/// Towards the host datagrams wait in an outbox until the end of the batch; nothing waits towards
/// the guest. Datagrams are never merged or split, only handed over several at a time.
class UdpRelays
{
public:
  struct Settings
  {
    UdpFilter filter = UdpFilter::address_and_port_dependent;
    /// RFC 4787 REQ-5: at least two minutes, five recommended.
    std::chrono::seconds timeout{300};
    /// For remote port 53: one question, one answer.
    std::chrono::seconds dns_timeout{10};
    /// What comes in keeps a flow of the guest's alive too (RFC 4787 REQ-6). Else who comes in by a
    /// filter has a flow for as long only as if the guest had sent to it when it last sent at all.
    bool inbound_refreshes = true;
    std::optional<IpAddress> source_ipv4;
    std::optional<IpAddress> source_ipv6;
    /// Goes before both; null: nothing is mapped. Must outlive the relays.
    MappedSources* mapped = nullptr;
    /// Sockets at most.
    std::size_t max_mappings = 16384;
    /// Clients that all local forwards have at most.
    std::size_t max_clients = 16384;
  };

  /// All references must outlive this, and the flow table its UDP flows' events.
  UdpRelays(const Settings& settings,
            const HashSecret& secret,
            const EventTime& time,
            HostNetwork& host,
            NameResolver& names,
            FlowTable& flows,
            Admission& admission,
            ClientNames& clients,
            GuestSender& guest,
            IcmpReporter& icmp,
            DropCounters& drops);
  ~UdpRelays();
  UdpRelays(const UdpRelays&) = delete;
  UdpRelays& operator=(const UdpRelays&) = delete;
  UdpRelays(UdpRelays&&) = delete;
  UdpRelays& operator=(UdpRelays&&) = delete;

  /// A datagram from the guest that belongs to no flow yet; policy has been asked. What cannot be
  /// sent is answered with an ICMP error.
  void open_from_guest(const FlowKey& key, const GuestDatagram& datagram, FlowRecord record);
  /// The same where a remote forward stands for the destination.
  void open_forward(const FlowKey& key,
                    const GuestDatagram& datagram,
                    const RemoteForward& forward,
                    FlowRecord record);
  /// Sends what waits for the host: at the end of a batch.
  void flush() { outbox_.flush(); }

  [[nodiscard]] std::size_t mappings() const { return mappings_.size(); }
  /// Whether there is a socket for that endpoint of the guest.
  [[nodiscard]] bool has_mapping(const Endpoint& guest) const { return mappings_.contains(guest); }

private:
  friend class UdpClientFlow;
  friend class UdpFlow;
  friend class UdpListener;
  friend class UdpMapping;
  friend class UdpTargetFlow;

  UdpFlow& insert_flow(UdpMapping& mapping, const FlowKey& key, TimePoint since, FlowRecord record);
  UdpMapping* open_mapping(const Endpoint& guest, HostError& error);
  void refuse(const FlowKey& key, const GuestDatagram& datagram, const HostError& error);
  void on_flow_closed(UdpMapping& mapping, const Endpoint& remote);
  void on_inbound(UdpMapping& mapping, std::span<const InboundDatagram> datagrams);
  UdpFlow* admit(UdpMapping& mapping, const Endpoint& remote);
  /// The socket's buffer is full.
  [[nodiscard]] static bool is_full(const HostError& error);
  void on_not_sent(const UdpMapping& mapping,
                   const Endpoint& to,
                   ByteView data,
                   const HostError& error);
  void on_undelivered(const UdpMapping& mapping,
                      const Endpoint& to,
                      ByteView data,
                      const HostError& error);

  Settings settings_;
  const EventTime& time_;
  HostNetwork& host_;
  NameResolver& names_;
  FlowTable& flows_;
  Admission& admission_;
  ClientNames& clients_;
  GuestSender& guest_;
  IcmpReporter& icmp_;
  DropCounters& drops_;
  UdpOutbox outbox_;
  SimpleProxyFramer framer_;
  UdpClients forward_clients_;
  std::unordered_map<Endpoint, std::unique_ptr<UdpMapping>, FlowKeyHash> mappings_;
};

} // namespace slirpstack
