#include "flow/rule_set.hh"

#include <algorithm>
#include <utility>

namespace slirpstack {

namespace {

// A tenth of a second's worth: what a limit lets through at once. Less than a full packet would
// never pass, and a limit of one a second has to let one through.
constexpr std::uint64_t BURST_PART = 10;
constexpr std::uint64_t LEAST_BURST_BYTES = 64 << 10;

std::optional<TokenBucket> bucket(const std::optional<std::uint64_t>& rate,
                                  std::uint64_t burst,
                                  TimePoint now)
{
  return rate ? std::optional(TokenBucket(*rate, burst, now)) : std::nullopt;
}

} // namespace

RuleAccount::RuleAccount(Rule rule_at_work, TimePoint now)
  : rule(std::move(rule_at_work))
  , bytes(bucket(rule.limits.bytes_per_second,
                 std::max(rule.limits.bytes_per_second.value_or(0) / BURST_PART, LEAST_BURST_BYTES),
                 now))
  , new_flows(
      bucket(rule.limits.new_flows_per_second, rule.limits.new_flows_per_second.value_or(1), now))
  , queries(bucket(rule.limits.queries_per_second, rule.limits.queries_per_second.value_or(1), now))
{}

RuleSet::RuleSet(std::vector<Rule> rules, TimePoint now)
{
  rules_.reserve(rules.size());
  for (Rule& rule : rules) {
    rules_.push_back(std::make_shared<RuleAccount>(std::move(rule), now));
  }
  index_names();
}

void RuleSet::index_names()
{
  by_name_.clear();
  for (const auto& account : rules_) {
    if (const auto* name = std::get_if<HostName>(&account->rule.host)) {
      by_name_[*name].push_back(account.get());
    }
  }
}

const std::shared_ptr<RuleAccount>& RuleSet::find(const FlowRequest& flow,
                                                  const std::optional<FlowRequest>& inner) const
{
  static const std::shared_ptr<RuleAccount> none;
  const auto found = std::ranges::find_if(rules_, [&](const auto& account) {
    const Rule& rule = account->rule;
    return rule.matches(flow, account->addresses)
           || (inner && rule.action != RuleAction::allow
               && rule.matches(*inner, account->addresses));
  });
  return found == rules_.end() ? none : *found;
}

void RuleSet::inherit(const RuleSet& before)
{
  std::vector<std::shared_ptr<RuleAccount>> old = before.rules_;
  const auto by_text = [](const auto& account) -> const std::string& { return account->rule.text; };
  std::ranges::stable_sort(old, {}, by_text);
  for (auto& account : rules_) {
    const auto same = std::ranges::lower_bound(old, account->rule.text, {}, by_text);
    if (same != old.end() && (*same)->rule.text == account->rule.text) {
      (*same)->rule.line = account->rule.line;
      account = *same;
    }
  }
  index_names();
}

std::vector<HostName> RuleSet::names() const
{
  std::vector<HostName> names;
  for (const auto& [name, accounts] : by_name_) {
    names.push_back(name);
  }
  return names;
}

bool RuleSet::forbids(const HostName& name) const
{
  const auto found = by_name_.find(name);
  return found != by_name_.end()
         && std::ranges::any_of(found->second, [](const RuleAccount* account) {
              return account->rule.action != RuleAction::allow;
            });
}

void RuleSet::set_addresses(const HostName& name, std::span<const IpAddress> addresses)
{
  if (const auto found = by_name_.find(name); found != by_name_.end()) {
    for (RuleAccount* const account : found->second) {
      account->addresses.assign(addresses.begin(), addresses.end());
    }
  }
}

} // namespace slirpstack
