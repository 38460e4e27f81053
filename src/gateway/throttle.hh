#pragma once

#include "base/clock.hh"
#include "flow/flow_table.hh"
#include "wire/dns_stream.hh"

#include <memory>
#include <span>
#include <sys/uio.h>

namespace slirpstack {

/// What the limits of its rule let one TCP flow move: bytes both ways, and DNS queries towards our
/// DNS address. What is allowed is taken from the rule's share at once; what was not used goes
/// back.
class Throttle
{
public:
  struct Allowance
  {
    std::size_t bytes = 0;
    TimePoint retry_at = NEVER; ///< with no bytes: when there will be some
  };

  /// `record`, the flow's own, must outlive this.
  explicit Throttle(const FlowRecord& record) : record_(record) {}

  /// How much of `next` may go to the host now.
  [[nodiscard]] Allowance ask_to_send(std::span<const iovec> next, TimePoint now);
  /// Of `allowed_bytes` that many at the front of `next` have gone.
  void on_sent(std::span<const iovec> next,
               std::size_t sent_bytes,
               std::size_t allowed_bytes,
               TimePoint now);

  /// How many bytes may be taken from the host now.
  [[nodiscard]] Allowance ask_to_receive(std::size_t wanted_bytes, TimePoint now)
  {
    return ask_for_bytes(wanted_bytes, now);
  }
  void on_received(std::size_t received_bytes, std::size_t allowed_bytes)
  {
    give_back(allowed_bytes - received_bytes);
  }

private:
  [[nodiscard]] Allowance ask_for_bytes(std::size_t wanted_bytes, TimePoint now);
  void give_back(std::size_t unused_bytes);
  [[nodiscard]] Allowance ask_for_queries(std::span<const iovec> next, TimePoint now);
  void charge_queries(std::span<const iovec> sent, std::size_t length_bytes, TimePoint now);

  const FlowRecord& record_;
  std::unique_ptr<DnsStream> queries_; ///< of a connection to our DNS address
};

} // namespace slirpstack
