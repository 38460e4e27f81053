#pragma once

#include "flow/event_time.hh"
#include "flow/host_network.hh"
#include "wire/dns.hh"

#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <vector>

namespace slirpstack {

class DnsExchange;

/// Answers the guest's DNS queries over UDP by asking the host's resolvers.
///
/// A query goes to one resolver, and to the next when that one fails (an error, SERVFAIL, REFUSED)
/// or is silent for a while; a late answer is still taken. Every attempt has a socket (so a port)
/// and an id of its own, which whoever wants to forge an answer must guess (RFC 5452). The
/// resolver that answered last is asked first for a while, so that a dead one does not cost each
/// query its patience.
class DnsForwarder
{
public:
  struct Settings
  {
    Duration attempt_timeout = std::chrono::seconds(2);
    /// Then the guest gets SERVFAIL.
    Duration total_timeout = std::chrono::seconds(8);
    Duration preference_lifetime = std::chrono::seconds(30);
    std::size_t max_in_flight = 256;
  };

  /// The host's resolvers, in the order in which they are to be asked; called for each query.
  using Resolvers = std::function<std::vector<Endpoint>()>;
  /// Gives unpredictable ids.
  using RandomId = std::function<std::uint16_t()>;
  /// Takes an answer for `guest` from `server`, the address and port that it had asked.
  using Answer
    = std::function<void(const Endpoint& guest, const Endpoint& server, ByteView message)>;

  /// `time`, `host` and `drops` must outlive this.
  DnsForwarder(const Settings& settings,
               const EventTime& time,
               HostNetwork& host,
               DropCounters& drops,
               Resolvers resolvers,
               RandomId random_id,
               Answer answer);
  ~DnsForwarder();
  DnsForwarder(const DnsForwarder&) = delete;
  DnsForwarder& operator=(const DnsForwarder&) = delete;
  DnsForwarder(DnsForwarder&&) = delete;
  DnsForwarder& operator=(DnsForwarder&&) = delete;

  /// A query as it came in a datagram from `guest` to `server`. A malformed one is counted, and
  /// answered with FORMERR if at least its header can be read; a retransmission of a query that is
  /// being asked joins it.
  void on_query(const Endpoint& guest, const Endpoint& server, ByteView query);

  /// Answers a query with REFUSED, if it can be read.
  void refuse(const Endpoint& guest, const Endpoint& server, ByteView query);

  /// When to call `expire`, the event time being that; NEVER with nothing in flight.
  [[nodiscard]] TimePoint next_deadline() const;
  void expire();

  [[nodiscard]] std::size_t in_flight() const { return exchanges_.size(); }

private:
  friend class DnsExchange;

  void on_malformed(const Endpoint& guest, const Endpoint& server, ByteView query, Drop reason);
  void answer_failure(const Endpoint& guest,
                      const Endpoint& server,
                      ByteView query,
                      DnsRcode rcode);
  [[nodiscard]] std::deque<Endpoint> resolvers_by_preference() const;
  void on_answered(const DnsExchange& exchange, const Endpoint& resolver, ByteView message);
  void on_silent(const Endpoint& resolver);
  void on_failed(const DnsExchange& exchange, ByteView bad_answer);
  void erase(const DnsExchange& exchange);

  Settings settings_;
  const EventTime& time_;
  HostNetwork& host_;
  DropCounters& drops_;
  Resolvers resolvers_;
  RandomId random_id_;
  Answer answer_;
  std::optional<Endpoint> preferred_;
  TimePoint preferred_until_;
  std::list<std::unique_ptr<DnsExchange>> exchanges_;
};

} // namespace slirpstack
