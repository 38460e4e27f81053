#pragma once

#include "face/config.hh"
#include "flow/host_networks.hh"
#include "flow/policy.hh"
#include "flow/prefix_map.hh"

#include <functional>
#include <string_view>
#include <vector>

namespace slirpstack {

/// The prefix mappings that a session starts with, and what its user has to know about open ones.
class SessionMappings
{
public:
  using HostNetworksSource = std::function<const HostNetworks&()>;

  /// All references must outlive this, and what `host_networks` refers to.
  SessionMappings(PrefixMap& map, const Policy& policy, HostNetworksSource host_networks);

  /// There is an accelerator: `on_edited` runs after each edit, and open mappings may be made.
  void observe(std::function<void(const PrefixMap&)> on_edited);
  /// Makes the mappings of the options. Where the accelerator was asked for and is not there, open
  /// ones are made as if they were not, with a warning. Throws UsageError.
  void load(const Config& config);
  /// Warns, once, if open mappings pass by rules that are in force.
  void warn_beside_rules();

private:
  void make(std::string_view source, const std::vector<MapEdit>& edits);

  PrefixMap& map_;
  const Policy& policy_;
  HostNetworksSource host_networks_;
  bool allows_routing_ = true;
  bool has_warned_ = false;
};

} // namespace slirpstack
