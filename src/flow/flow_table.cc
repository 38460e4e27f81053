#include "flow/flow_table.hh"

#include <algorithm>
#include <cassert>
#include <utility>

namespace slirpstack {

namespace {

constexpr std::size_t FIRST_BUCKETS = 64;

} // namespace

FlowTable::FlowTable(const HashSecret& secret, std::size_t capacity)
  : flows_(FIRST_BUCKETS, FlowKeyHash(secret)), capacity_(capacity)
{}

Relay& FlowTable::insert(std::unique_ptr<Relay> relay)
{
  Relay& inserted = *relay;
  if (Relay* const known = find(inserted.key())) {
    finish(*known);
  }
  flows_.emplace(inserted.key(), std::move(relay));
  count_forward(inserted, true);
  reschedule(inserted);
  return inserted;
}

Relay& FlowTable::replace(Relay& stage, std::unique_ptr<Relay> next)
{
  assert(stage.key() == next->key() && !stage.finished_);
  next->record_ = std::move(stage.record_);
  stage.record_.announced = false;
  finish(stage);
  return insert(std::move(next));
}

void FlowTable::count_forward(const Relay& relay, bool comes)
{
  const std::uint32_t forward = relay.record().forward;
  if (forward == 0) {
    return;
  }
  if (comes) {
    ++of_forwards_[forward];
  } else if (const auto found = of_forwards_.find(forward); --found->second == 0) {
    of_forwards_.erase(found);
  }
}

std::size_t FlowTable::flows_of_forward(std::uint32_t forward) const
{
  const auto found = of_forwards_.find(forward);
  return found == of_forwards_.end() ? 0 : found->second;
}

bool FlowTable::make_room()
{
  // Expendable flows wait out a short time, so they stand in front; looking further would let a
  // guest that fills the table make every packet expensive.
  constexpr int LOOK_AT = 64;
  auto next = deadlines_.begin();
  for (int looked_at = 0; looked_at < LOOK_AT && next != deadlines_.end(); ++looked_at) {
    Relay& relay = *(next++)->second;
    if (relay.expendable()) {
      finish(relay);
      return true;
    }
    reschedule(relay); // an active flow's deadline has moved on: it stands in the way no longer
  }
  return false;
}

Relay* FlowTable::find(const FlowKey& key) const
{
  const auto found = flows_.find(key);
  return found == flows_.end() ? nullptr : found->second.get();
}

void FlowTable::announce(Relay& relay)
{
  relay.record_.announced = true;
  for (FlowObserver* const observer : observers_) {
    observer->on_opened(relay);
  }
}

void FlowTable::announce_failure(const Relay& relay, std::string_view reason)
{
  for (FlowObserver* const observer : observers_) {
    observer->on_failed(relay, reason);
  }
}

void FlowTable::unschedule(Relay& relay)
{
  if (std::exchange(relay.is_scheduled_, false)) {
    deadlines_.erase(relay.scheduled_);
  }
}

void FlowTable::reschedule(Relay& relay)
{
  if (relay.finished_) {
    return;
  }
  const TimePoint deadline = relay.deadline();
  if (relay.is_scheduled_ && relay.scheduled_->first == deadline) {
    return;
  }
  unschedule(relay);
  if (deadline == NEVER) {
    return;
  }
  relay.scheduled_ = deadlines_.emplace(deadline, &relay);
  relay.is_scheduled_ = true;
}

void FlowTable::finish(Relay& relay)
{
  if (std::exchange(relay.finished_, true)) {
    return;
  }
  unschedule(relay);
  if (std::exchange(relay.record_.announced, false)) {
    for (FlowObserver* const observer : observers_) {
      observer->on_closed(relay);
    }
  }
  count_forward(relay, false);
  auto node = flows_.extract(relay.key());
  assert(!node.empty() && node.mapped().get() == &relay);
  finished_.push_back(std::move(node.mapped()));
}

void FlowTable::bury()
{
  // A dying relay may finish another one.
  while (!finished_.empty()) {
    std::exchange(finished_, {}).clear();
  }
}

TimePoint FlowTable::next_deadline() const
{
  return deadlines_.empty() ? NEVER : deadlines_.begin()->first;
}

void FlowTable::expire(TimePoint now)
{
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    Relay& relay = *deadlines_.begin()->second;
    // Lazily: activity only moves the relay's own deadline, the queue learns of it here.
    if (relay.deadline() <= now) {
      relay.on_deadline(now);
    }
    assert(relay.finished_ || relay.deadline() > now);
    reschedule(relay);
  }
}

bool FlowTable::any_delivering(TimePoint quiet_since) const
{
  return std::ranges::any_of(
    flows_, [&](const auto& flow) { return flow.second->delivering(quiet_since); });
}

std::size_t FlowTable::finish_if(const std::function<bool(Relay&)>& ends)
{
  std::vector<Relay*> ended;
  for (const auto& [key, relay] : flows_) {
    if (ends(*relay)) {
      ended.push_back(relay.get());
    }
  }
  for (Relay* const relay : ended) {
    finish(*relay);
  }
  return ended.size();
}

void FlowTable::for_each(const std::function<void(const Relay&)>& visit) const
{
  for (const auto& [key, relay] : flows_) {
    visit(*relay);
  }
}

std::vector<FlowKey> FlowTable::keys() const
{
  std::vector<FlowKey> all;
  all.reserve(flows_.size());
  for (const auto& [key, relay] : flows_) {
    all.push_back(key);
  }
  return all;
}

void FlowTable::finish_all()
{
  while (!flows_.empty()) {
    finish(*flows_.begin()->second);
  }
}

} // namespace slirpstack
