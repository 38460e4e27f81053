#pragma once

#include "flow/rule.hh"
#include "flow/rule_sketch.hh"
#include "flow/token_bucket.hh"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace slirpstack {

/// A rule at work, and what all flows under it share. Each of those flows holds it, so it outlives
/// the rule set that it came from.
struct RuleAccount
{
  RuleAccount(Rule rule_at_work, TimePoint now);

  Rule rule;
  std::vector<IpAddress> addresses; ///< of the rule's name, as last looked up
  std::optional<TokenBucket> bytes;
  std::optional<TokenBucket> new_flows;
  std::optional<TokenBucket> queries;
  std::size_t flows = 0; ///< living now
  std::uint64_t matched = 0;
  std::uint64_t limited = 0; ///< flows and queries refused, datagrams dropped, for its limits
};

/// Where a rule stands and what it says: `line 3: deny 10.0.0.0/8`, `-deny 10.0.0.0/8`.
[[nodiscard]] std::string cited(const Rule& rule);

/// Rules in their order; the first that matches counts.
class RuleSet
{
public:
  RuleSet() = default;
  RuleSet(std::vector<Rule> rules, TimePoint now);

  /// The first rule for such a flow; null: none. `inner` is the same flow to the IPv4 address that
  /// its IPv6 destination embeds, if it does: a rule that does not allow is about that one too.
  [[nodiscard]] const std::shared_ptr<RuleAccount>& find(
    const FlowRequest& flow,
    const std::optional<FlowRequest>& inner) const;

  /// The first rule for such a flow from any source whatever, if only for some; null: none.
  [[nodiscard]] const RuleAccount* first_about(FlowRequest flow) const;

  /// Rules that stand in both sets keep their account: limits and counts go on over a reload.
  void inherit(const RuleSet& before);
  /// The names that have to be looked up, each once.
  [[nodiscard]] std::vector<HostName> names() const;
  /// What a lookup has brought. A name keeps its addresses until it gets others.
  void set_addresses(const HostName& name, std::span<const IpAddress> addresses);
  /// The rules that have that name, each as `cited()`.
  [[nodiscard]] std::vector<std::string> about(const HostName& name) const;
  /// Whether some rule is against what has that name.
  [[nodiscard]] bool forbids(const HostName& name) const;

  [[nodiscard]] std::span<const std::shared_ptr<RuleAccount>> rules() const { return rules_; }
  [[nodiscard]] bool empty() const { return rules_.empty(); }

private:
  /// Makes what is looked up by, of the rules.
  void index();

  std::vector<std::shared_ptr<RuleAccount>> rules_;
  /// Of the rules, in their order, for destinations of each family.
  struct Sketches
  {
    std::vector<RuleSketch> ipv4;
    std::vector<RuleSketch> ipv6;

    [[nodiscard]] const std::vector<RuleSketch>& about(const FlowRequest& flow) const
    {
      return flow.destination.address.is_ipv4() ? ipv4 : ipv6;
    }
  } sketches_;
  std::map<HostName, std::vector<std::size_t>> by_name_; ///< where in `rules_`
};

} // namespace slirpstack
