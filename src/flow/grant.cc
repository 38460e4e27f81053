#include "flow/grant.hh"

#include <utility>

namespace slirpstack {

std::size_t DestinationCounts::of(const IpAddress& destination) const
{
  const auto found = counts_.find({destination, 0});
  return found == counts_.end() ? 0 : found->second;
}

void DestinationCounts::add(const IpAddress& destination)
{
  ++counts_[{destination, 0}];
}

void DestinationCounts::remove(const IpAddress& destination)
{
  const auto found = counts_.find({destination, 0});
  if (--found->second == 0) {
    counts_.erase(found);
  }
}

Grant::Grant(std::shared_ptr<RuleAccount> rule,
             DestinationCounts* counts,
             const IpAddress& destination)
  : rule_(std::move(rule)), counts_(counts), destination_(destination)
{
  if (rule_) {
    ++rule_->flows;
  }
  if (counts_ != nullptr) {
    counts_->add(destination_);
  }
}

Grant::~Grant()
{
  release();
}

Grant::Grant(Grant&& other) noexcept
  : rule_(std::move(other.rule_))
  , counts_(std::exchange(other.counts_, nullptr))
  , destination_(other.destination_)
{}

Grant& Grant::operator=(Grant&& other) noexcept
{
  if (this != &other) {
    release();
    rule_ = std::move(other.rule_);
    counts_ = std::exchange(other.counts_, nullptr);
    destination_ = other.destination_;
  }
  return *this;
}

void Grant::set_rule(std::shared_ptr<RuleAccount> rule)
{
  if (rule) {
    ++rule->flows;
  }
  if (rule_) {
    --rule_->flows;
  }
  rule_ = std::move(rule);
}

void Grant::release()
{
  set_rule(nullptr);
  if (counts_ != nullptr) {
    std::exchange(counts_, nullptr)->remove(destination_);
  }
}

} // namespace slirpstack
