#include "session_mappings.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "control/map_commands.hh"
#include "control/map_file.hh"

#include <fmt/format.h>
#include <utility>

namespace slirpstack {

namespace {

void close_mappings(std::vector<MapEdit>& edits)
{
  for (MapEdit& edit : edits) {
    if (std::exchange(edit.mapping.open, false)) {
      log(LogLevel::warning,
          "a mapping is not open, as there is no accelerator: clients from outside reach the ports "
          "of -L",
          {{"mapping", edit.mapping.to_string()}});
    }
  }
}

} // namespace

SessionMappings::SessionMappings(PrefixMap& map,
                                 const Policy& policy,
                                 HostNetworksSource host_networks)
  : map_(map), policy_(policy), host_networks_(std::move(host_networks))
{}

void SessionMappings::observe(std::function<void(const PrefixMap&)> on_edited)
{
  map_.allow_open();
  map_.set_observer([this, call = std::move(on_edited)] {
    call(map_);
    warn_beside_rules();
  });
}

void SessionMappings::load(const Config& config)
{
  allows_routing_ = !config.egress.disable_routing;
  const bool lacks_accelerator = config.acceleration.hook && !map_.allows_open();
  const auto load = [&](std::string_view source, std::vector<MapEdit> edits) {
    if (lacks_accelerator) {
      close_mappings(edits);
    }
    make(source, edits);
  };
  if (config.mapping.file) {
    load(*config.mapping.file, read_map_edits(*config.mapping.file));
  }
  load("-map", config.mapping.edits);
}

void SessionMappings::make(std::string_view source, const std::vector<MapEdit>& edits)
{
  try {
    apply_edits(map_, edits);
  } catch (const MappingError& error) {
    throw UsageError(fmt::format("{}: {}", source, error.what()));
  }
  for (const Prefix& prefix : prefixes_without_local_route(edits, host_networks_())) {
    log(LogLevel::warning,
        "nothing leaves from a mapped prefix before the host takes what is sent there",
        {{"command", fmt::format("ip -6 route add local {} dev lo", prefix.to_string())}});
  }
}

void SessionMappings::warn_beside_rules()
{
  const std::size_t rules = policy_.rules_in_all();
  if (rules == 0 && allows_routing_) {
    return;
  }
  map_.for_each([&](const PrefixMapping& mapping) {
    if (mapping.open && !std::exchange(has_warned_, true)) {
      log(LogLevel::warning,
          allows_routing_
            ? "an open mapping passes by the rules: they are not asked about what is outside"
            : "an open mapping passes by -disable-routing: what is outside can be reached",
          {{"mapping", mapping.to_string()}, {"rules", rules}});
    }
  });
}

} // namespace slirpstack
