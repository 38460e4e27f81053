#include "start_names.hh"

#include "base/error.hh"
#include "face/exit_status.hh"
#include "face/go_flags.hh"
#include "face/start_checks.hh"
#include "host/resolver.hh"

#include <algorithm>
#include <fmt/format.h>

namespace slirpstack {

namespace {

/// The first address of the name, of that family. Throws StartError.
IpAddress look_up_source(Loop& loop,
                         NameResolver& names,
                         Config::Manner manner,
                         const HostName& name,
                         Family family)
{
  const LookupAnswer answer = resolve_now(loop, names, name);
  const auto found = std::ranges::find(answer.addresses, family, &IpAddress::family);
  if (found != answer.addresses.end()) {
    return *found;
  }
  const bool is_ipv4 = family == Family::ipv4;
  const std::string reason
    = answer.error.empty() ? fmt::format("it has no IPv{} address", is_ipv4 ? 4 : 6) : answer.error;
  const std::string_view flag = is_ipv4 ? "source-ipv4" : "source-ipv6";
  throw StartError(EXIT_USAGE,
                   manner == Config::Manner::slirpnetstack && !answer.error.empty()
                     ? reason
                     : invalid_value(name.name, flag, reason).what());
}

void check_list_names(std::span<const Rule> list, Loop& loop, NameResolver& names)
{
  for (const Rule& rule : list) {
    const auto* const name = std::get_if<HostName>(&rule.host);
    const LookupAnswer answer = name != nullptr ? resolve_now(loop, names, *name) : LookupAnswer();
    if (name != nullptr && answer.addresses.empty()) {
      const std::string_view text = rule.text; // `-allow ENTRY`
      const std::size_t blank = text.find(' ');
      throw UsageError(fmt::format("invalid value \"{}\" for flag {}: {}",
                                   text.substr(blank + 1),
                                   text.substr(0, blank),
                                   answer.error));
    }
  }
}

} // namespace

Config with_names(const Config& config, Loop& loop, NameResolver& names)
{
  Config known = config;
  if (const auto& name = config.egress.source_name_ipv4) {
    known.egress.source_ipv4 = look_up_source(loop, names, config.manner, *name, Family::ipv4);
  }
  if (const auto& name = config.egress.source_name_ipv6) {
    known.egress.source_ipv6 = look_up_source(loop, names, config.manner, *name, Family::ipv6);
  }
  check_sources(known);
  if (config.manner == Config::Manner::slirpnetstack) {
    check_list_names(config.egress.allow, loop, names);
    check_list_names(config.egress.deny, loop, names);
  }
  return known;
}

} // namespace slirpstack
