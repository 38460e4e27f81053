#pragma once

#include "service/dns_forwarder.hh"

#include <algorithm>
#include <deque>

namespace slirpstack {

/// One query of the guest and the attempts to have it answered.
class DnsExchange
{
public:
  /// `query` has been parsed as one.
  DnsExchange(DnsForwarder& forwarder,
              const Endpoint& guest,
              const Endpoint& server,
              ByteView query,
              std::deque<Endpoint> resolvers);
  ~DnsExchange();
  DnsExchange(const DnsExchange&) = delete;
  DnsExchange& operator=(const DnsExchange&) = delete;
  DnsExchange(DnsExchange&&) = delete;
  DnsExchange& operator=(DnsExchange&&) = delete;

  /// Asks the first resolver that can be asked. It may end here and now, this object with it.
  void start() { ask_next(); }
  void on_deadline();

  [[nodiscard]] const Endpoint& guest() const { return guest_; }
  [[nodiscard]] const Endpoint& server() const { return server_; }
  [[nodiscard]] ByteView query() const { return query_; }
  [[nodiscard]] TimePoint deadline() const { return std::min(next_attempt_at_, give_up_at_); }
  /// Whether this is the query itself once more.
  [[nodiscard]] bool is_same(const Endpoint& guest, const Endpoint& server, ByteView query) const;

private:
  class Attempt;

  void ask_next();
  void on_message(Attempt& attempt, ByteView message);
  void on_attempt_failed(Attempt& attempt);
  void give_up();

  DnsForwarder& forwarder_;
  Endpoint guest_;
  Endpoint server_;
  std::vector<std::uint8_t> query_;
  std::deque<Endpoint> candidates_; ///< next first; whoever failed is gone
  std::vector<std::unique_ptr<Attempt>> attempts_;
  std::vector<std::uint8_t> bad_answer_; ///< the last SERVFAIL or REFUSED
  TimePoint next_attempt_at_ = NEVER;
  TimePoint give_up_at_;
};

} // namespace slirpstack
