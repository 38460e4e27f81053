#include "gateway/flow_review.hh"

#include <algorithm>
#include <utility>

namespace slirpstack {

namespace {

// A few milliseconds, on a busy machine too: a rule is passed by in one to three nanoseconds, a
// flow looked at in a few hundred.
constexpr std::size_t RULES_IN_A_TURN = 1'000'000;
constexpr std::size_t LEAST_FLOWS = 16;
constexpr std::size_t MOST_FLOWS = 4096;

} // namespace

void FlowReview::start(Done done)
{
  next_.push_back({std::move(done), ended_});
  if (left_.empty() && waiting_.empty()) {
    begin_round();
  }
}

void FlowReview::begin_round()
{
  ended_
    += handover_.end_unless([this](FlowRecord& record) { return admission_.still_allows(record); });
  left_ = flows_.keys();
  waiting_ = std::exchange(next_, {});
  if (left_.empty()) {
    end_round();
  }
}

bool FlowReview::work()
{
  if (left_.empty()) {
    return false;
  }
  for (std::size_t count = flows_in_a_turn(); count > 0 && !left_.empty(); --count) {
    judge(left_.back());
    left_.pop_back();
  }
  if (left_.empty()) {
    end_round();
  }
  return !left_.empty();
}

std::size_t FlowReview::flows_in_a_turn() const
{
  return std::clamp(RULES_IN_A_TURN / (policy_.rules_in_all() + 1), LEAST_FLOWS, MOST_FLOWS);
}

void FlowReview::judge(const FlowKey& key)
{
  Relay* const relay = flows_.find(key);
  if (relay != nullptr && !admission_.still_allows(relay->record())) {
    flows_.finish(*relay);
    ++ended_;
  }
}

void FlowReview::end_round()
{
  // Whoever is told may start the next review.
  for (const Waiting& each : std::exchange(waiting_, {})) {
    if (each.done) {
      each.done(ended_ - each.ended_before);
    }
  }
  if (left_.empty() && !next_.empty()) {
    begin_round();
  }
}

} // namespace slirpstack
