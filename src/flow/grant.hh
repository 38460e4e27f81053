#pragma once

#include "flow/flow_key.hh"
#include "flow/rule_set.hh"

#include <memory>
#include <unordered_map>

namespace slirpstack {

/// How many flows there are to each destination address.
class DestinationCounts
{
public:
  explicit DestinationCounts(const HashSecret& secret) : counts_(0, FlowKeyHash(secret)) {}

  [[nodiscard]] std::size_t of(const IpAddress& destination) const;
  void add(const IpAddress& destination);
  void remove(const IpAddress& destination);

private:
  std::unordered_map<Endpoint, std::size_t, FlowKeyHash> counts_; ///< of port 0
};

/// A flow's place under the limits that it was admitted under, given back when the flow dies.
class Grant
{
public:
  /// Under no limit at all.
  Grant() = default;
  /// `rule` may be null. `counts`, which must outlive this, may be null: destinations are not
  /// counted.
  Grant(std::shared_ptr<RuleAccount> rule, DestinationCounts* counts, const IpAddress& destination);
  ~Grant();
  Grant(Grant&& other) noexcept;
  Grant& operator=(Grant&& other) noexcept;
  Grant(const Grant&) = delete;
  Grant& operator=(const Grant&) = delete;

  /// The rule that allowed the flow, or null.
  [[nodiscard]] RuleAccount* rule() const { return rule_.get(); }
  /// Another rule allows the flow from now on; null: none has to.
  void set_rule(std::shared_ptr<RuleAccount> rule);

private:
  void release();

  std::shared_ptr<RuleAccount> rule_;
  DestinationCounts* counts_ = nullptr;
  IpAddress destination_;
};

} // namespace slirpstack
