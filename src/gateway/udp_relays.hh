#pragma once

#include "base/siphash.hh"
#include "flow/event_time.hh"
#include "flow/flow_table.hh"
#include "flow/host_network.hh"
#include "gateway/guest_sender.hh"
#include "gateway/icmp_reporter.hh"
#include "gateway/udp_outbox.hh"

#include <chrono>
#include <memory>
#include <optional>
#include <unordered_map>

namespace slirpstack {

class UdpFlow;
class UdpMapping;

/// Whose datagrams reach the guest on a port of the host that it uses (RFC 4787 5).
enum class UdpFilter : std::uint8_t
{
  endpoint_independent,       ///< anyone's
  address_dependent,          ///< from addresses that the guest has sent to
  address_and_port_dependent, ///< from endpoints that the guest has sent to
};

/// A UDP datagram of the guest, cut out of its packet.
struct GuestDatagram
{
  ByteView data;
  /// Size of each datagram in a super-datagram, whose last one may be shorter; 0: just one.
  std::uint16_t segment_size_bytes = 0;
  /// As it came from the guest, at least 2.
  std::uint8_t hop_limit = 64;
  /// The IPv4 header's DF. Over IPv6 true, unless the guest itself sent it in fragments.
  bool dont_fragment = false;
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
    std::optional<IpAddress> source_ipv4;
    std::optional<IpAddress> source_ipv6;
    /// Sockets at most.
    std::size_t max_mappings = 16384;
  };

  /// All references must outlive this, and the flow table its UDP flows' events.
  UdpRelays(const Settings& settings,
            const HashSecret& secret,
            const EventTime& time,
            HostNetwork& host,
            FlowTable& flows,
            GuestSender& guest,
            IcmpReporter& icmp,
            DropCounters& drops);
  ~UdpRelays();
  UdpRelays(const UdpRelays&) = delete;
  UdpRelays& operator=(const UdpRelays&) = delete;
  UdpRelays(UdpRelays&&) = delete;
  UdpRelays& operator=(UdpRelays&&) = delete;

  /// A datagram from the guest. `known` is what the flow table has under `key`; null opens a flow,
  /// so policy has been asked. What cannot be sent is answered with an ICMP error.
  void on_datagram(const FlowKey& key, Relay* known, const GuestDatagram& datagram);
  /// Sends what waits for the host: at the end of a batch.
  void flush() { outbox_.flush(); }

  [[nodiscard]] std::size_t mappings() const { return mappings_.size(); }

private:
  friend class UdpFlow;
  friend class UdpMapping;

  UdpFlow* open_flow(const FlowKey& key, HostError& error);
  UdpFlow& insert_flow(UdpMapping& mapping, const FlowKey& key);
  UdpMapping* open_mapping(const Endpoint& guest, HostError& error);
  void refuse(const FlowKey& key, const GuestDatagram& datagram, const HostError& error);
  void on_flow_closed(UdpMapping& mapping, const Endpoint& remote);
  void on_inbound(UdpMapping& mapping, std::span<const InboundDatagram> datagrams);
  bool admit(UdpMapping& mapping, const Endpoint& remote);
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
  FlowTable& flows_;
  GuestSender& guest_;
  IcmpReporter& icmp_;
  DropCounters& drops_;
  UdpOutbox outbox_;
  std::unordered_map<Endpoint, std::unique_ptr<UdpMapping>, FlowKeyHash> mappings_;
};

} // namespace slirpstack
