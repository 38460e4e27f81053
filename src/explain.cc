#include "explain.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/quoted.hh"
#include "control/explanation.hh"
#include "control/forward_planner.hh"
#include "control/rule_loader.hh"
#include "face/go_flags.hh"
#include "host/resolver.hh"
#include "host/routes.hh"
#include "served_addresses.hh"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <optional>

namespace slirpstack {

namespace {

Explain asked_for(const Config& config)
{
  std::vector<std::string> words{"explain"};
  words.insert(words.end(), config.command.begin(), config.command.end());
  try {
    return std::get<Explain>(parse_request_words(words, "slirpstack"));
  } catch (const RequestError& error) {
    throw UsageError(error.what());
  }
}

Policy policy_of(const Config& config, TimePoint now)
{
  Policy policy({.guest_networks = {config.network.cidr, config.network.cidr6},
                 .allow_host_networks = config.egress.enable_host,
                 .guards_routed_networks = false,
                 .denies_embedded_ipv4 = false,
                 .allow_routing = !config.egress.disable_routing});
  policy.set_lists(RuleSet(config.egress.deny, now), RuleSet(config.egress.allow, now));
  if (config.egress.rules_file) {
    policy.set_rules(RuleSet(read_rules_file(*config.egress.rules_file), now));
  }
  return policy;
}

void warn_of_no_address(const Policy& policy, const HostName& name, const LookupAnswer& answer)
{
  std::vector<std::string> rules = policy.rules().about(name);
  std::ranges::move(policy.lists_about(name), std::back_inserter(rules));
  for (const std::string& rule : rules) {
    log(LogLevel::warning,
        "a rule matches nothing: its name has no address",
        {{"rule", rule}, {"reason", answer.error}});
  }
}

/// Throws UsageError where a start with these rules would fail.
void look_up_names(Policy& policy, Loop& loop, NameResolver& names)
{
  for (const HostName& name : policy.names()) {
    const LookupAnswer answer = resolve_now(loop, names, name);
    if (answer.addresses.empty()) {
      if (!answer.no_such_name && (policy.rules().forbids(name) || policy.list_forbids(name))) {
        throw UsageError(open_rule_text(name, answer));
      }
      warn_of_no_address(policy, name, answer);
    }
    policy.set_addresses(name, answer.addresses);
  }
}

/// The destinations that -R stands for. Throws UsageError where a start would fail.
class RemoteForwards
{
public:
  RemoteForwards(const Config& config, Loop& loop, NameResolver& names)
  {
    ForwardPlanner planner(names, forward_defaults(config, {}));
    for (const ForwardSpec& spec : config.forwarding.remote) {
      std::optional<ForwardPlanner::Outcome> planned;
      planner.plan(spec, [&](ForwardPlanner::Outcome&& outcome) { planned = std::move(outcome); });
      loop.run_until([&] { return planned.has_value(); });
      if (const auto* const wrong = std::get_if<std::string>(&planned.value())) {
        throw invalid_value(spec.text, "R", *wrong);
      }
      plans_.push_back(std::get<ForwardPlan>(std::move(*planned)));
    }
  }

  /// The option that stands for that destination; empty: none.
  [[nodiscard]] std::string find(std::uint8_t protocol, const Endpoint& destination) const
  {
    for (const ForwardPlan& plan : plans_) {
      const auto found = std::ranges::find(plan.remote, destination, &RemoteForward::match);
      if (found != plan.remote.end() && scheme_protocol(found->scheme) == protocol) {
        return fmt::format("-R {}", plan.spec.text);
      }
    }
    return {};
  }

private:
  std::vector<ForwardPlan> plans_;
};

} // namespace

int explain_flow(const Config& config)
{
  const Explain asked = asked_for(config);
  Loop loop;
  Resolver names(loop, std::chrono::seconds(0));
  const HostRoutes routes(loop);
  Policy policy = policy_of(config, Loop::now());
  look_up_names(policy, loop, names);
  const LookupAnswer answer = resolve_now(loop, names, {.name = asked.host, .server = {}});
  if (answer.addresses.empty()) {
    throw UsageError(fmt::format("explain {}: {}", quoted(asked.host), answer.error));
  }
  const RemoteForwards forwards(config, loop, names);
  const OurAddresses ours = our_addresses(config, {});
  int status = EXIT_SUCCESS;
  for (const IpAddress& address : answer.addresses) {
    const IpAddress source = config.network.guest(address.family());
    const ExplainedGuest guest{policy, routes.networks(), ours, source};
    const Explanation explained
      = explain(guest, asked, address, forwards.find(asked.protocol, {address, asked.port}));
    fmt::print("{}\n", to_line(asked, explained));
    status = explained.allowed ? status : EXIT_FAILURE;
  }
  return status;
}

} // namespace slirpstack
