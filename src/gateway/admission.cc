#include "gateway/admission.hh"

#include <utility>

namespace slirpstack {

namespace {

/// mDNS, SSDP, DHCP and the like come by themselves and are no one's mistake.
bool is_control_chatter(const Verdict& verdict)
{
  return verdict.denial == Denial::multicast_or_broadcast
         || verdict.denial == Denial::unspecified_address;
}

RefusalAnswer answer_of(const Verdict& verdict)
{
  if (verdict.denial == Denial::guest_network) {
    return RefusalAnswer::no_such_host;
  }
  switch (verdict.action) {
    case RuleAction::drop:
      return RefusalAnswer::silence;
    case RuleAction::reject:
      return RefusalAnswer::nobody_listens;
    case RuleAction::allow:
    case RuleAction::deny:
      break;
  }
  return RefusalAnswer::prohibited;
}

} // namespace

Admission::Admission(const Settings& settings,
                     const HashSecret& secret,
                     const EventTime& time,
                     Policy& policy,
                     FlowTable& flows,
                     DropCounters& drops,
                     HostNetworksSource host_networks)
  : settings_(settings)
  , time_(time)
  , policy_(policy)
  , flows_(flows)
  , drops_(drops)
  , host_networks_(std::move(host_networks))
  , destinations_(secret)
{}

Admitted Admission::ask(const FlowRequest& request, const FlowKey& key)
{
  return with_room(ask_without_room(request, key), key);
}

Admitted Admission::ask_without_room(const FlowRequest& request, const FlowKey& key)
{
  return judge(policy_.decide(request, host_networks_()), request, key);
}

Admitted Admission::ask_unsolicited(const FlowRequest& request, const FlowKey& key)
{
  return with_room(judge(policy_.decide(request, host_networks_()), request, key, LogLevel::debug),
                   key);
}

Admitted Admission::ask_for_service(const FlowRequest& request, const FlowKey& key)
{
  return with_room(judge(policy_.decide_service(request), request, key), key);
}

Admitted Admission::ask_for_room(const FlowKey& key)
{
  return with_room({.granted = true}, key);
}

Admitted Admission::ask_within(const Bound& bound, const FlowRequest& request, const FlowKey& key)
{
  const Verdict verdict = policy_.decide(request, host_networks_());
  return with_room(judge(verdict, request, key, LogLevel::warning, &bound), key);
}

Admitted Admission::ask_for_query(const FlowRequest& request, const FlowKey& key)
{
  const Verdict verdict = policy_.decide_service(request);
  if (verdict.rule) {
    ++verdict.rule->matched;
  }
  if (!verdict.allows()) {
    return refuse(verdict, key, LogLevel::warning);
  }
  if (verdict.rule && verdict.rule->queries && !verdict.rule->queries->take(1, time_.now)) {
    ++verdict.rule->limited;
    drops_.count(Drop::rate_limited);
    log(LogLevel::warning,
        "too many DNS queries; one is refused",
        {{"from", key.guest.to_string()}, {"limit", verdict.rule->queries->rate()}});
    return {.granted = false, .grant = {}, .answer = RefusalAnswer::out_of_room};
  }
  return {.granted = true};
}

Admitted Admission::judge(const Verdict& verdict,
                          const FlowRequest& request,
                          const FlowKey& key,
                          LogLevel level,
                          const Bound* bound)
{
  if (verdict.rule) {
    ++verdict.rule->matched;
  }
  if (!verdict.allows()) {
    return refuse(verdict, key, level);
  }
  const IpAddress& destination = request.destination.address;
  DestinationCounts* const counted
    = settings_.max_flows_per_destination > 0 && request.direction == FlowDirection::out
        ? &destinations_
        : nullptr;
  if (counted != nullptr && counted->of(destination) >= settings_.max_flows_per_destination) {
    return refuse_for_limit({"max-flows-per-destination", settings_.max_flows_per_destination},
                            key);
  }
  if (verdict.rule) {
    if (const auto limit = exceeded_limit(*verdict.rule)) {
      ++verdict.rule->limited;
      return refuse_for_limit(*limit, key);
    }
  }
  if (bound != nullptr && !bound->has_room()) {
    return refuse_for_limit({bound->name, bound->most, bound->reason}, key);
  }
  return {.granted = true, .grant = Grant(verdict.rule, counted, destination)};
}

Admitted Admission::with_room(Admitted admitted, const FlowKey& key)
{
  return !admitted.granted || has_room() ? std::move(admitted) : refuse_for_limit(max_flows(), key);
}

std::optional<Admission::Limit> Admission::exceeded_limit(RuleAccount& rule) const
{
  const RuleLimits& limits = rule.rule.limits;
  if (limits.max_flows && rule.flows >= *limits.max_flows) {
    return Limit{"flows", *limits.max_flows};
  }
  if (rule.new_flows && !rule.new_flows->take(1, time_.now)) {
    return Limit{"new", *limits.new_flows_per_second};
  }
  return std::nullopt;
}

bool Admission::has_room()
{
  return !flows_.full() || flows_.make_room();
}

Admitted Admission::refuse(const Verdict& verdict, const FlowKey& key, LogLevel level)
{
  drops_.count(Drop::denied);
  if (is_control_chatter(verdict)) {
    level = LogLevel::debug;
  }
  if (log_enabled(level)) {
    log(level, "destination denied", {{"flow", key.to_string()}, {"reason", verdict.reason()}});
  }
  return {.granted = false, .grant = {}, .answer = answer_of(verdict)};
}

Admitted Admission::refuse_for_limit(const Limit& limit, const FlowKey& key)
{
  ++refused_for_limit_;
  drops_.count(limit.reason);
  log(LogLevel::warning,
      "too many flows; new one refused",
      {{"flow", key.to_string()},
       {"limit", limit.value},
       {"of", limit.name},
       {"refused", refused_for_limit_}});
  return {.granted = false, .grant = {}, .answer = RefusalAnswer::out_of_room};
}

bool Admission::still_allows(FlowRecord& record)
{
  if (record.origin == FlowOrigin::remote_forward) {
    return true;
  }
  const Verdict verdict = record.origin == FlowOrigin::service
                            ? policy_.decide_service(record.request)
                            : policy_.decide(record.request, host_networks_());
  if (!verdict.allows()) {
    return false;
  }
  if (verdict.rule.get() != record.grant.rule()) {
    record.grant.set_rule(verdict.rule);
  }
  return true;
}

} // namespace slirpstack
