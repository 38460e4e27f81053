#pragma once

#include "base/block_pool.hh"
#include "flow/event_time.hh"
#include "gateway/admission.hh"
#include "gateway/client_names.hh"
#include "gateway/guest_opening.hh"
#include "gateway/host_opening.hh"
#include "gateway/icmp_reporter.hh"
#include "gateway/mapped_sources.hh"
#include "gateway/read_blocks.hh"
#include "gateway/tcp_relay.hh"
#include "wire/proxy_protocol.hh"
#include "wire/tcp.hh"

#include <chrono>
#include <optional>
#include <vector>

namespace slirpstack {

/// All of the guest's TCP, and what its flows share.
class TcpRelays
{
public:
  struct Settings
  {
    /// RFC 5382 REQ-5: at least 2 hours 4 minutes. Then both ends are probed, and only what is
    /// dead is closed.
    std::chrono::seconds idle{7440};
    /// For flows not yet open; RFC 5382 REQ-5: at least 4 minutes, as for the next one (RFC 7857
    /// section 2.1).
    std::chrono::seconds opening{240};
    /// For flows that both sides have ended.
    std::chrono::seconds closing{240};
    std::optional<IpAddress> source_ipv4;
    std::optional<IpAddress> source_ipv6;
    /// Goes before both; null: nothing is mapped. Must outlive the relays.
    MappedSources* mapped = nullptr;
    /// Targets of remote forwards get a PROXY header of this version (`-proxy-out`); none: those
    /// of the scheme tcppp get one of version 1.
    std::optional<ProxyHeader::Version> proxy_out;
  };

  /// All references must outlive this, and this the flow table's TCP flows.
  TcpRelays(const Settings& settings,
            const EventTime& time,
            Stack& stack,
            BlockPool& pool,
            HostNetwork& host,
            NameResolver& names,
            FlowTable& flows,
            Admission& admission,
            ClientNames& clients,
            PacketSink& guest,
            IcmpReporter& icmp,
            DropCounters& drops);

  /// The guest's SYN for a new flow, which policy has allowed. `packet` begins with the IP header.
  void open_from_guest(const FlowKey& key,
                       const IpHeader& ip,
                       const TcpHeader& tcp,
                       ByteView packet,
                       OutboundPlan plan,
                       FlowRecord record);
  /// A connected client of the host, which policy has yet to allow for each target. Without a
  /// target that may be asked it is reset.
  void open_from_host(std::unique_ptr<HostStream> stream, InboundPlan plan);
  /// At the end of a batch: lets every flow that has something to do do it. True: some have more.
  [[nodiscard]] bool flush();

  /// When the next flow that waits for the rate of its rule may go on.
  [[nodiscard]] TimePoint next_deadline() const { return resume_at_; }
  void on_deadline();

private:
  friend class GuestOpening;
  friend class HostOpening;
  friend class TcpRelay;

  /// The host's end of an opening is there: it goes on as a relay.
  void admit(GuestOpening& opening, std::unique_ptr<HostStream> stream, const ParkedSyn& syn);
  /// The same with the guest's end; `readable` and `hangup` are what the host's has said.
  void join(HostOpening& opening,
            std::unique_ptr<HostStream> stream,
            std::unique_ptr<Connection> connection,
            bool readable,
            bool hangup);

  void pause(TcpRelay& relay, TimePoint until);
  [[nodiscard]] ChosenSource source_of(const IpAddress& guest) const;

  Settings settings_;
  const EventTime& time_;
  Stack& stack_;
  HostNetwork& host_;
  NameResolver& names_;
  FlowTable& flows_;
  Admission& admission_;
  ClientNames& clients_;
  PacketSink& guest_;
  IcmpReporter& icmp_;
  DropCounters& drops_;
  std::vector<TcpRelay*> work_;
  std::vector<TcpRelay*> working_;
  std::vector<TcpRelay*> paused_;
  TimePoint resume_at_ = NEVER; ///< the earliest of theirs
  ReadBlocks read_blocks_;
};

} // namespace slirpstack
