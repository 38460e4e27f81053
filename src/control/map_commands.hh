#pragma once

#include "control/request.hh"
#include "control/request_handler.hh"
#include "flow/host_networks.hh"
#include "flow/map_edit.hh"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace slirpstack {

/// The external prefixes that are added and that the host does not take as its own yet, so that
/// nothing can leave from them. Open mappings do without. Of a long batch the first.
[[nodiscard]] std::vector<Prefix> prefixes_without_local_route(std::span<const MapEdit> edits,
                                                               const HostNetworks& host);

/// Does what is asked about the prefix map, as far as a scope reaches. Each call returns its
/// answer; one that says no has a `code` beside its `error`: EINVAL, EEXIST, ENOENT, ENOSPC, EPERM,
/// EOPNOTSUPP.
class MapCommands
{
public:
  using HostNetworksSource = std::function<const HostNetworks&()>;

  /// `map` must outlive this, and what `host_networks` refers to.
  MapCommands(PrefixMap& map, HostNetworksSource host_networks, MapScope scope = {});

  [[nodiscard]] std::string run(const ChangeMapping& request);
  [[nodiscard]] std::string run(const BatchMap& request);
  [[nodiscard]] std::string run(const ListMappings& request) const;
  [[nodiscard]] std::string run(const ResolveAddress& request) const;

private:
  [[nodiscard]] std::string edit(std::span<const MapEdit> edits);

  PrefixMap& map_;
  HostNetworksSource host_networks_;
  MapScope scope_;
};

/// The handler of a restricted control socket: the prefix map within a scope, and nothing else.
class RestrictedCommands final : public RequestHandler
{
public:
  RestrictedCommands(PrefixMap& map, MapCommands::HostNetworksSource networks, MapScope scope)
    : maps_(map, std::move(networks), std::move(scope))
  {}

  void execute(const Request& request, Reply reply) override;

private:
  MapCommands maps_;
};

} // namespace slirpstack
