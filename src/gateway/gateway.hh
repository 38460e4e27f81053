#pragma once

#include "base/block_pool.hh"
#include "flow/event_time.hh"
#include "flow/flow_table.hh"
#include "flow/host_network.hh"
#include "flow/packet_sink.hh"
#include "flow/policy.hh"
#include "flow/prefix_map.hh"
#include "gateway/admission.hh"
#include "gateway/client_names.hh"
#include "gateway/flow_handover.hh"
#include "gateway/flow_opener.hh"
#include "gateway/flow_review.hh"
#include "gateway/forward_set.hh"
#include "gateway/guest_refuser.hh"
#include "gateway/guest_sender.hh"
#include "gateway/icmp_reporter.hh"
#include "gateway/mapped_sources.hh"
#include "gateway/our_addresses.hh"
#include "gateway/packet_intake.hh"
#include "gateway/ping_relays.hh"
#include "gateway/tcp_relays.hh"
#include "gateway/udp_relays.hh"
#include "service/dns_forwarder.hh"
#include "stack/stack.hh"

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace slirpstack {

/// The guest's router: the only place where guest and host meet. It takes the guest's packets one
/// by one, finds or opens their flow, answers what is addressed to itself, and refuses what policy
/// denies, each with the answer that a real network would have given.
class Gateway
{
public:
  struct Settings
  {
    OurAddresses addresses;
    Policy::Settings policy;
    Admission::Settings admission;
    /// How what policy denies is answered.
    DenialManner denial_manner = DenialManner::prohibited;
    /// Any echo request is answered by us, whoever it is for.
    bool answers_every_echo = false;
    TcpRelays::Settings tcp;
    UdpRelays::Settings udp;
    PingRelays::Settings ping;
    DnsForwarder::Settings dns;
    /// Of all; a quarter of them for clients of local UDP forwards.
    std::size_t max_flows = 16384;
  };

  /// What comes from outside the program: tests give fixed values.
  struct Sources
  {
    HashSecret secret;
    DnsForwarder::RandomId random_id;
    DnsForwarder::Resolvers resolvers;           ///< asked per query
    Admission::HostNetworksSource host_networks; ///< asked per flow
  };

  /// All references must outlive this.
  Gateway(const Settings& settings,
          PacketSink& guest,
          HostNetwork& host,
          NameResolver& names,
          BlockPool& pool,
          Sources sources);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;
  Gateway(Gateway&&) = delete;
  Gateway& operator=(Gateway&&) = delete;

  /// The time of the events that follow. Call at the start of each turn of the event loop.
  void set_time(TimePoint now);
  /// One IP packet from the guest.
  void on_packet(GuestPacket&& packet);
  /// The end of a batch of events: moves bytes, sends datagrams. True: more work is left.
  [[nodiscard]] bool flush();

  /// When to call `on_deadline()`; NEVER while nothing waits.
  [[nodiscard]] TimePoint next_deadline() const;
  void on_deadline();

  /// Whether TCP data of the guest is still on its way: see Relay::delivering.
  [[nodiscard]] bool delivering(TimePoint quiet_since) const
  {
    return flows_.any_delivering(quiet_since);
  }
  /// Ends every flow: both ends are told.
  void close_all();

  [[nodiscard]] const EventTime& time() const { return time_; }
  /// Whether that is a service of ours, which policy's defaults do not concern.
  [[nodiscard]] const OurAddresses& addresses() const { return settings_.addresses; }
  [[nodiscard]] ForwardSet& forwards() { return forwards_; }
  /// Changes are for flows to come.
  [[nodiscard]] PrefixMap& prefixes() { return prefixes_; }
  /// Changed by `set_rules()`; its names get their addresses here.
  [[nodiscard]] Policy& policy() { return policy_; }
  /// Puts other rules into effect. Flows that they no longer allow are ended, now and in the next
  /// turns; `done` as of FlowReview.
  void set_rules(RuleSet rules, FlowReview::Done done);
  /// Ends, in the same way, the flows that policy no longer allows, as after names have got other
  /// addresses.
  void end_denied_flows()
  {
    forwards_.review_published();
    review_.start(nullptr);
  }

  /// Whom the guest's new flows to the host's network are offered to from now on. Its flows are not
  /// among `flows()` and need no room there. Must outlive this.
  void set_offload(FlowOffload& offload) { handover_.set_offload(offload); }
  /// Those of its flows that go on now, in no particular order. Their octets are not counted.
  void for_each_handed_over(
    const std::function<void(const FlowKey&, const FlowRecord&)>& visit) const
  {
    handover_.for_each(visit);
  }
  /// How many flows it has taken.
  [[nodiscard]] std::uint64_t flows_handed_over() const { return handover_.taken(); }

  /// `observer` must outlive this.
  void add_observer(FlowObserver& observer) { flows_.add_observer(observer); }
  [[nodiscard]] const FlowTable& flows() const { return flows_; }
  [[nodiscard]] const DropCounters& drops() const { return drops_; }
  [[nodiscard]] std::uint64_t refused_for_limit() const { return admission_.refused_for_limit(); }
  /// For tests: the invariant that lwIP knows no connection between calls.
  [[nodiscard]] const Stack& stack() const { return stack_; }

private:
  void on_tcp(GuestPacket&& packet, const IpHeader& ip);
  void on_udp(const GuestPacket& packet, const IpHeader& ip);
  void on_icmp(const GuestPacket& packet, const IpHeader& ip);
  void on_echo_request(const IpHeader& ip, const IcmpEcho& echo, const GuestPacket& packet);
  void on_icmp_error(const IcmpErrorMessage& error);

  Settings settings_;
  EventTime time_;
  DropCounters drops_;
  Policy policy_;
  IcmpReporter icmp_;
  GuestSender sender_;
  PacketIntake intake_;
  GuestRefuser refuser_;
  Stack stack_;
  Sources sources_;
  DnsForwarder dns_;
  FlowTable flows_; ///< emptied before anything else goes: its relays use all the rest
  Admission admission_;
  ClientNames clients_;
  PrefixMap prefixes_;
  MappedSources mapped_;
  TcpRelays tcp_;
  UdpRelays udp_;
  PingRelays ping_;
  ForwardSet forwards_;
  FlowHandover handover_;
  FlowReview review_;
  FlowOpener opener_;
};

} // namespace slirpstack
