#include "control/commands.hh"

#include "base/error.hh"
#include "control/explanation.hh"
#include "control/json_line.hh"
#include "wire/protocol_name.hh"

#include <fmt/format.h>
#include <utility>

namespace slirpstack {

namespace {

std::string ok(const Json& members = Json::object())
{
  Json answer{{"ok", true}};
  answer.update(members);
  return line_of(answer);
}

Json texts(const auto& values, auto text_of)
{
  Json list = Json::array();
  for (const auto& value : values) {
    list.push_back(text_of(value));
  }
  return list;
}

Json describe(const ForwardSet::Info& info)
{
  const bool is_local = info.spec.direction == ForwardDirection::local;
  Json entry{{"id", info.id},
             {is_local ? "local" : "remote", info.spec.text},
             {"scheme", scheme_name(info.spec.scheme)}};
  if (is_local) {
    entry["listening"]
      = texts(info.listening, [](const StreamAddress& address) { return to_string(address); });
  } else {
    entry["matching"]
      = texts(info.matching, [](const Endpoint& endpoint) { return endpoint.to_string(); });
  }
  entry["flows"] = info.flows;
  entry["published"] = info.is_published;
  entry["draining"] = info.draining;
  return entry;
}

/// Its octets are counted where it passes through us.
Json describe(const FlowKey& key, const FlowRecord& record, bool is_in_kernel)
{
  Json entry{{"protocol", protocol_name(key.protocol)},
             {"guest", key.guest.to_string()},
             {"remote", key.remote.to_string()},
             {"origin", origin_name(record.origin)},
             {"kernel", is_in_kernel}};
  if (!is_in_kernel) {
    entry["to_host_bytes"] = record.traffic.to_host_bytes;
    entry["to_guest_bytes"] = record.traffic.to_guest_bytes;
  }
  if (record.forward != 0) {
    entry["forward"] = record.forward;
  }
  if (record.grant.rule() != nullptr) {
    entry["rule"] = record.grant.rule()->rule.text;
  }
  return entry;
}

Json describe(const RuleAccount& account)
{
  Json entry{{"line", account.rule.line},
             {"rule", account.rule.text},
             {"matched", account.matched},
             {"limited", account.limited},
             {"flows", account.flows}};
  if (std::holds_alternative<HostName>(account.rule.host)) {
    entry["addresses"]
      = texts(account.addresses, [](const IpAddress& address) { return address.to_string(); });
  }
  return entry;
}

} // namespace

std::string error_reply(std::string_view reason)
{
  return line_of({{"ok", false}, {"error", reason}});
}

Commands::Commands(Subject subject)
  : subject_(std::move(subject)), maps_(subject_.gateway.prefixes(), subject_.host_networks)
{}
Commands::~Commands() = default;

void Commands::execute(const Request& request, Reply reply)
{
  std::visit([&](const auto& asked) { run(asked, reply); }, request);
}

void Commands::run(const AddForward& request, const Reply& reply)
{
  ForwardSpec spec;
  try {
    spec = ForwardSpec::parse(request.direction, request.spec);
  } catch (const UsageError& error) {
    reply(error_reply(error.what()));
    return;
  }
  subject_.planner.plan(spec, [this, reply](ForwardPlanner::Outcome&& outcome) {
    if (const auto* wrong = std::get_if<std::string>(&outcome)) {
      reply(error_reply(*wrong));
      return;
    }
    try {
      reply(ok(describe(subject_.gateway.forwards().add(std::get<ForwardPlan>(outcome)))));
    } catch (const ForwardError& error) {
      reply(error_reply(fmt::format("cannot {}", error.what())));
    } catch (const std::exception& error) {
      reply(error_reply(error.what()));
    }
  });
}

void Commands::run(const ListForwards&, const Reply& reply)
{
  Json list = Json::array();
  for (const ForwardSet::Info& info : subject_.gateway.forwards().list()) {
    list.push_back(describe(info));
  }
  reply(ok({{"forwards", std::move(list)}}));
}

void Commands::run(const RemoveForward& request, const Reply& reply)
{
  const auto removal = request.drain ? ForwardSet::Removal::drain : ForwardSet::Removal::end;
  if (subject_.gateway.forwards().remove(request.id, removal)) {
    reply(ok());
  } else {
    reply(error_reply("there is no forward " + std::to_string(request.id)));
  }
}

void Commands::run(const ReloadRules&, const Reply& reply)
{
  if (subject_.rules.path().empty()) {
    reply(error_reply("there is no rules file (-rules)"));
    return;
  }
  subject_.rules.load([reply](const RuleLoader::Outcome& outcome) {
    if (outcome.error) {
      reply(error_reply(*outcome.error));
    } else {
      reply(ok({{"rules", outcome.rules}, {"flows_ended", outcome.flows_ended}}));
    }
  });
}

void Commands::run(const ListRules&, const Reply& reply)
{
  Json list = Json::array();
  for (const auto& account : subject_.gateway.policy().rules().rules()) {
    list.push_back(describe(*account));
  }
  reply(ok({{"rules", std::move(list)}}));
}

void Commands::run(const Explain& request, const Reply& reply)
{
  const auto place = lookups_.emplace(lookups_.end());
  *place = subject_.names.look_up({.name = request.host, .server = {}},
                                  [this, request, reply, place](const LookupAnswer& answer) {
                                    explain_addresses(request, answer, reply);
                                    lookups_.erase(place); // this function with it
                                  });
}

Explanation Commands::explain_one(const Explain& request, const IpAddress& address) const
{
  const auto match = subject_.gateway.forwards().find(request.protocol, {address, request.port});
  const ExplainedGuest guest{.policy = subject_.gateway.policy(),
                             .host = subject_.host_networks(),
                             .ours = subject_.gateway.addresses(),
                             .source
                             = address.is_ipv4() ? subject_.guest_ipv4 : subject_.guest_ipv6};
  return explain(
    guest, request, address, match.forward != nullptr ? "forward " + std::to_string(match.id) : "");
}

void Commands::explain_addresses(const Explain& request,
                                 const LookupAnswer& answer,
                                 const Reply& reply) const
{
  if (answer.addresses.empty()) {
    reply(error_reply(answer.error));
    return;
  }
  Json list = Json::array();
  for (const IpAddress& address : answer.addresses) {
    const Explanation explained = explain_one(request, address);
    list.push_back({{"destination", explained.destination},
                    {"verdict", explained.verdict},
                    {"allowed", explained.allowed},
                    {"by", explained.by}});
  }
  reply(ok({{"explanations", std::move(list)}}));
}

void Commands::run(const ListFlows&, const Reply& reply) const
{
  Json list = Json::array();
  subject_.gateway.flows().for_each(
    [&](const Relay& relay) { list.push_back(describe(relay.key(), relay.record(), false)); });
  subject_.gateway.for_each_handed_over([&](const FlowKey& key, const FlowRecord& record) {
    list.push_back(describe(key, record, true));
  });
  reply(ok({{"flows", std::move(list)}}));
}

void Commands::run(const ShowStatistics&, const Reply& reply)
{
  const FlowStatistics::All all = subject_.statistics.now(subject_.gateway.flows());
  Json flows = Json::object();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& counters = all[i];
    flows[std::string(FlowStatistics::kind_name(static_cast<FlowStatistics::Kind>(i)))]
      = {{"open", counters.opened - counters.closed},
         {"opened", counters.opened},
         {"failed", counters.failed},
         {"to_host_bytes", counters.traffic.to_host_bytes},
         {"to_guest_bytes", counters.traffic.to_guest_bytes}};
  }
  Json drops = Json::object();
  for (unsigned i = 0; i < static_cast<unsigned>(Drop::count_); ++i) {
    const auto reason = static_cast<Drop>(i);
    if (const std::uint64_t times = subject_.gateway.drops().of(reason); times > 0) {
      drops[std::string(drop_name(reason))] = times;
    }
  }
  reply(ok({{"flows", std::move(flows)},
            {"max_flows", subject_.gateway.flows().capacity()},
            {"refused_for_limit", subject_.gateway.refused_for_limit()},
            {"drops", std::move(drops)}}));
}

} // namespace slirpstack
