#pragma once

#include "base/clock.hh"
#include "base/siphash.hh"
#include "flow/external_ports.hh"
#include "wire/address.hh"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <variant>
#include <vector>

namespace slirpstack {

/// Why an internal endpoint gets no external one.
enum class PortRefusal : std::uint8_t
{
  exhausted, ///< its external address has no port left: ICMP code 1 (RFC 6888 REQ-11B)
  quota,     ///< the subscriber has as many as it may: the same
};

/// A run of ports that one internal address has to itself; what a log needs instead of each flow
/// (RFC 6888 REQ-14, RFC 7422).
struct PortBlock
{
  IpAddress internal;
  IpAddress external;
  std::uint16_t first = 0;
  std::uint16_t last = 0;
  std::uint8_t zone = 0; ///< of `internal`

  auto operator<=>(const PortBlock&) const = default;
};

/// The external addresses of a NAT and their ports: who has which.
///
/// All endpoints of an internal address share one external address (RFC 4787 REQ-2); it is not
/// moved to another when that is full (RFC 7857 section 4). Ports are random (RFC 6888 REQ-15) and
/// of the class of the internal one, below 1024 or not (RFC 4787 REQ-3a), save where blocks are
/// given out. A port given back is nobody's for a while (RFC 6888 REQ-8).
///
/// Internal addresses of different zones are different ones, even if they are equal: guests may
/// have their addresses from overlapping networks.
class PortPool
{
public:
  static constexpr std::chrono::seconds QUARANTINE{120};
  static constexpr std::uint16_t RESERVED_PORTS = 1024;

  struct Options
  {
    std::uint16_t first_port = RESERVED_PORTS;
    std::uint16_t last_port = 65535;
    /// Ports below 1024 are given out too, to ports below 1024. Not where the addresses are the
    /// host's own, whose services would be hidden.
    bool has_low_ports = true;
    /// Ports of a block; an internal address gets a further one when its last is used up. 0: no
    /// blocks, each port is anybody's.
    std::uint16_t block_ports = 0;
    /// External ports of one internal address, over all protocols; 0: no limit.
    std::size_t quota = 0;
    /// Several guests share, a zone each: none may take more than it leaves (may_have_one_more()),
    /// of each external address and protocol, nor of an external address's blocks.
    bool is_shared = false;
    /// For how long a port given back is nobody's (RFC 6888 REQ-8); may be zero.
    std::chrono::seconds quarantine = QUARANTINE;
    /// Of more such ports the oldest are given out again; 0: there may be any number.
    std::size_t quarantine_ports = 0;
  };

  /// `addresses` are IPv4, not empty, and each is there once. `secret` makes the ports hard to
  /// guess.
  PortPool(const std::vector<IpAddress>& addresses,
           const Options& options,
           const HashSecret& secret);

  /// An external endpoint for `internal`. For ICMP the ports are identifiers.
  std::variant<Endpoint, PortRefusal> take(const Endpoint& internal,
                                           std::uint8_t protocol,
                                           TimePoint now,
                                           std::uint8_t zone = 0);
  /// `internal` has `external` from a predecessor of this pool, to be given back like any other.
  /// False: somebody has it, it is not of the pool, or `internal` has another external address.
  bool adopt(const Endpoint& internal,
             const Endpoint& external,
             std::uint8_t protocol,
             std::uint8_t zone = 0);
  /// Keeps `external` from being given out, for a forward or a socket of the host. False if
  /// somebody has it or it is not of the pool; one that only rests may be had.
  bool reserve(const Endpoint& external, std::uint8_t protocol);
  /// What was reserved is so no longer.
  void release(const Endpoint& external, std::uint8_t protocol, TimePoint now);
  /// `internal` no longer uses `external`. Its blocks go when its last port has gone.
  void give_back(const Endpoint& internal,
                 const Endpoint& external,
                 std::uint8_t protocol,
                 TimePoint now,
                 std::uint8_t zone = 0);

  /// Told when a block is assigned (true) and when it is free again.
  void set_block_log(std::function<void(const PortBlock&, bool)> log)
  {
    block_log_ = std::move(log);
  }
  [[nodiscard]] std::size_t ports_of(const IpAddress& internal, std::uint8_t zone = 0) const;

private:
  struct SubscriberKey
  {
    IpAddress address;
    std::uint8_t zone = 0;
    auto operator<=>(const SubscriberKey&) const = default;
  };
  struct Subscriber
  {
    std::size_t external = 0;
    std::size_t ports = 0;
    std::vector<std::size_t> blocks;
  };
  struct Quarantined
  {
    TimePoint until;
    std::size_t external;
    std::uint16_t port;
    std::uint8_t protocol;
    std::optional<std::uint8_t> zone; ///< whose it is until then
  };

  std::uint64_t random();
  void release_due(TimePoint now);
  /// Nobody has it any more.
  void set_free(const Quarantined& rested);
  /// Ends a port's rest; false: it does not rest.
  bool wake(std::size_t external, std::uint16_t port, std::uint8_t protocol);
  /// Its place in `externals_`.
  [[nodiscard]] std::optional<std::size_t> find(const IpAddress& address) const;
  Subscriber& subscriber_of(const SubscriberKey& internal);
  [[nodiscard]] PortSpan range_for(const Endpoint& internal, std::uint8_t protocol) const;
  [[nodiscard]] PortSpan block_range(std::size_t block) const;
  [[nodiscard]] bool has_share(const Subscriber& subscriber,
                               std::uint8_t zone,
                               std::uint8_t protocol) const;
  std::variant<Endpoint, PortRefusal> take_from(const Subscriber& subscriber,
                                                PortSpan span,
                                                std::uint8_t protocol,
                                                std::uint8_t zone);
  std::variant<Endpoint, PortRefusal> take_in_blocks(const SubscriberKey& internal,
                                                     Subscriber& subscriber,
                                                     std::uint8_t protocol);
  bool assign_block(const SubscriberKey& internal, Subscriber& subscriber);
  /// Whether the zone's guests may have one more block of that external address.
  [[nodiscard]] bool has_block_share(std::uint8_t zone, std::size_t external);
  /// Gives the subscriber the block that the port is in; false: another has it.
  bool adopt_block(const SubscriberKey& internal, Subscriber& subscriber, std::uint16_t port);
  void free_blocks(const SubscriberKey& internal, const Subscriber& subscriber);
  void log_block(const SubscriberKey& internal,
                 std::size_t external,
                 std::size_t block,
                 bool is_assigned) const;

  Options options_;
  HashSecret secret_;
  std::uint64_t draws_ = 0;
  std::vector<ExternalPorts> externals_;
  std::map<SubscriberKey, Subscriber> subscribers_;
  std::deque<Quarantined> quarantine_;
  std::function<void(const PortBlock&, bool)> block_log_;
};

} // namespace slirpstack
