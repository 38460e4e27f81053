#pragma once

#include "base/block_pool.hh"
#include "flow/event_time.hh"
#include "gateway/icmp_reporter.hh"
#include "gateway/tcp_relay.hh"
#include "wire/tcp.hh"

#include <array>
#include <chrono>
#include <optional>
#include <span>
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
    /// RFC 5382 REQ-5: at least 4 minutes, for flows not yet open or already closing.
    std::chrono::seconds transitory{240};
    std::optional<IpAddress> source_ipv4;
    std::optional<IpAddress> source_ipv6;
  };

  /// All references must outlive this, and this the flow table's TCP flows.
  TcpRelays(const Settings& settings,
            const EventTime& time,
            Stack& stack,
            BlockPool& pool,
            HostNetwork& host,
            FlowTable& flows,
            PacketSink& guest,
            IcmpReporter& icmp,
            DropCounters& drops);

  /// The guest's SYN for a new flow, which policy has allowed: connects to the first of `targets`
  /// that answers; they are resolvers if `is_dns`. `packet` begins with the IP header.
  void open(const FlowKey& key,
            const IpHeader& ip,
            const TcpHeader& tcp,
            ByteView packet,
            std::vector<Endpoint> targets,
            bool is_dns);
  /// At the end of a batch: lets every flow that has something to do do it. True: some have more.
  [[nodiscard]] bool flush();

private:
  friend class TcpRelay;

  /// Bytes that one flow takes from the host in one receive: eight super-segments. Fewer, larger
  /// calls are what speed is made of (64 KiB: 16.6, 512 KiB: 28.7 Gbit/s in the prototype).
  static constexpr std::size_t READ_BLOCKS = 8;

  [[nodiscard]] std::span<iovec> read_pieces(std::uint32_t room_bytes, std::uint32_t segment_bytes);
  [[nodiscard]] StreamOptions stream_options(Family family, std::uint8_t hop_limit) const;

  Settings settings_;
  const EventTime& time_;
  Stack& stack_;
  BlockPool& pool_;
  HostNetwork& host_;
  FlowTable& flows_;
  PacketSink& guest_;
  IcmpReporter& icmp_;
  DropCounters& drops_;
  std::vector<TcpRelay*> work_;
  std::vector<TcpRelay*> working_;
  std::array<Block, READ_BLOCKS> read_blocks_;
  std::array<iovec, READ_BLOCKS> read_pieces_{};
};

} // namespace slirpstack
