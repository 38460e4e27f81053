#include "flow/rule_set.hh"

#include <algorithm>
#include <fmt/format.h>
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

std::string cited(const Rule& rule)
{
  return rule.line != 0 ? fmt::format("line {}: {}", rule.line, rule.text) : rule.text;
}

RuleSet::RuleSet(std::vector<Rule> rules, TimePoint now)
{
  rules_.reserve(rules.size());
  for (Rule& rule : rules) {
    rules_.push_back(std::make_shared<RuleAccount>(std::move(rule), now));
  }
  index();
}

void RuleSet::index()
{
  by_name_.clear();
  sketches_ = {};
  sketches_.ipv4.reserve(rules_.size());
  sketches_.ipv6.reserve(rules_.size());
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const RuleAccount& account = *rules_[i];
    sketches_.ipv4.emplace_back(account.rule, Family::ipv4);
    sketches_.ipv6.emplace_back(account.rule, Family::ipv6);
    if (const auto* name = std::get_if<HostName>(&account.rule.host)) {
      sketches_.ipv4.back().set_addresses(account.addresses);
      sketches_.ipv6.back().set_addresses(account.addresses);
      by_name_[*name].push_back(i);
    }
  }
}

const std::shared_ptr<RuleAccount>& RuleSet::find(const FlowRequest& flow,
                                                  const std::optional<FlowRequest>& inner) const
{
  static const std::shared_ptr<RuleAccount> none;
  const RuleSketch::Flow sketch(flow);
  const RuleSketch::Flow inner_sketch(inner.value_or(flow));
  const std::vector<RuleSketch>& sketches = sketches_.about(flow);
  const std::vector<RuleSketch>& inner_sketches = sketches_.about(inner.value_or(flow));
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    if (!sketches[i].may_match(sketch) && (!inner || !inner_sketches[i].may_match(inner_sketch))) {
      continue;
    }
    const RuleAccount& account = *rules_[i];
    if (account.rule.matches(flow, account.addresses)
        || (inner && account.rule.action != RuleAction::allow
            && account.rule.matches(*inner, account.addresses))) {
      return rules_[i];
    }
  }
  return none;
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
  index();
}

const RuleAccount* RuleSet::first_about(FlowRequest flow) const
{
  for (const auto& account : rules_) {
    if (account->rule.source) {
      flow.source = account->rule.source->network();
    }
    if (account->rule.matches(flow, account->addresses)) {
      return account.get();
    }
  }
  return nullptr;
}

std::vector<HostName> RuleSet::names() const
{
  std::vector<HostName> names;
  for (const auto& [name, accounts] : by_name_) {
    names.push_back(name);
  }
  return names;
}

std::vector<std::string> RuleSet::about(const HostName& name) const
{
  std::vector<std::string> rules;
  if (const auto found = by_name_.find(name); found != by_name_.end()) {
    for (const std::size_t place : found->second) {
      rules.push_back(cited(rules_[place]->rule));
    }
  }
  return rules;
}

bool RuleSet::forbids(const HostName& name) const
{
  const auto found = by_name_.find(name);
  return found != by_name_.end() && std::ranges::any_of(found->second, [this](std::size_t place) {
           return rules_[place]->rule.action != RuleAction::allow;
         });
}

void RuleSet::set_addresses(const HostName& name, std::span<const IpAddress> addresses)
{
  if (const auto found = by_name_.find(name); found != by_name_.end()) {
    for (const std::size_t place : found->second) {
      rules_[place]->addresses.assign(addresses.begin(), addresses.end());
      sketches_.ipv4[place].set_addresses(addresses);
      sketches_.ipv6[place].set_addresses(addresses);
    }
  }
}

} // namespace slirpstack
