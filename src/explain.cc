#include "explain.hh"

#include "base/error.hh"
#include "control/explanation.hh"
#include "control/rule_loader.hh"
#include "host/resolver.hh"
#include "host/routes.hh"
#include "wire/ip.hh"

#include <fmt/format.h>

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

void look_up_names(Policy& policy, Loop& loop, NameResolver& names)
{
  for (const HostName& name : policy.names()) {
    const LookupAnswer answer = resolve_now(loop, names, name);
    if (answer.addresses.empty()) {
      fmt::print(stderr, "slirpstack: a rule's name has no address: {}\n", answer.error);
    }
    policy.set_addresses(name, answer.addresses);
  }
}

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
    throw UsageError(answer.error);
  }
  int status = EXIT_SUCCESS;
  for (const IpAddress& address : answer.addresses) {
    const IpAddress source = config.network.guest(address.family());
    const Explanation explained = explain(policy, routes.networks(), asked, source, address);
    fmt::print("{}\n", to_line(asked, explained));
    status = explained.allowed ? status : EXIT_FAILURE;
  }
  return status;
}

} // namespace slirpstack
