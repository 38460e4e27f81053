#include "control/control_plane.hh"

#include <utility>

namespace slirpstack {

ControlPlane::ControlPlane(const Settings& settings,
                           Gateway& gateway,
                           HostNetwork& host,
                           NameResolver& names,
                           const BlockPool& pool,
                           Admission::HostNetworksSource host_networks)
  : settings_(settings)
  , gateway_(gateway)
  , host_(host)
  , pool_(pool)
  , planner_(names, settings.defaults)
  , rules_(settings.rules_file, gateway, names, gateway.time())
  , commands_({.gateway = gateway,
               .statistics = statistics_,
               .planner = planner_,
               .rules = rules_,
               .names = names,
               .host_networks = std::move(host_networks),
               .guest_ipv4 = settings.defaults.guest_ipv4,
               .guest_ipv6 = settings.defaults.guest_ipv6})
{
  gateway_.add_observer(statistics_);
}

ControlPlane::~ControlPlane() = default;

void ControlPlane::open_socket(const std::string& path)
{
  socket_ = std::make_unique<ControlSocket>(path, host_, commands_);
}

StreamAddress ControlPlane::serve_metrics(const ListenOptions& options)
{
  metrics_ = std::make_unique<MetricsServer>(host_, options, [this] { return snapshot(); });
  return metrics_->address();
}

MetricsSnapshot ControlPlane::snapshot()
{
  return {.flows = statistics_.now(gateway_.flows()),
          .drops = gateway_.drops(),
          .refused_for_limit = gateway_.refused_for_limit(),
          .max_flows = gateway_.flows().capacity(),
          .memory_bytes = pool_.used_bytes(),
          .max_memory_bytes = pool_.ceiling_bytes(),
          .forwards = gateway_.forwards().list().size(),
          .rules = gateway_.policy().rules().rules().size()};
}

} // namespace slirpstack
