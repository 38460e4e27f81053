#include "control/control_plane.hh"

#include <system_error>
#include <utility>

namespace slirpstack {

namespace {

// A resolver answers thousands a second, one lookup within milliseconds. Each has a socket, out of
// those that are kept back from flows.
constexpr std::size_t LOOKUPS_AT_A_TIME = 64;

} // namespace

struct ControlPlane::Restricted
{
  Restricted(PrefixMap& map,
             const MapCommands::HostNetworksSource& networks,
             const MapScope& scope,
             const ControlSocket::Settings& settings,
             HostNetwork& host)
    : commands(map, networks, scope), socket(settings, host, commands)
  {}

  RestrictedCommands commands;
  ControlSocket socket;
};

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
  , host_networks_(std::move(host_networks))
  , planner_(names, settings.defaults)
  , rule_names_(names, LOOKUPS_AT_A_TIME)
  , rules_(settings.rules_file, gateway, rule_names_, gateway.time())
  , commands_({.gateway = gateway,
               .statistics = statistics_,
               .planner = planner_,
               .rules = rules_,
               .names = names,
               .host_networks = host_networks_,
               .guest_ipv4 = settings.defaults.guest_ipv4,
               .guest_ipv6 = settings.defaults.guest_ipv6})
{
  gateway_.add_observer(statistics_);
}

ControlPlane::~ControlPlane() = default;

void ControlPlane::open_socket(const std::string& path)
{
  socket_
    = std::make_unique<ControlSocket>(ControlSocket::Settings{.path = path}, host_, commands_);
}

void ControlPlane::open_restricted_socket(const std::string& path, const MapScope& scope)
{
  // Its users are other users to the host: a container's root is none of ours. What it can do is
  // bounded by the scope, and who reaches it by the folder that it is in.
  restricted_.push_back(std::make_unique<Restricted>(
    gateway_.prefixes(),
    host_networks_,
    scope,
    // Enough for a container's own tools and a batch that fills its scope; what it sends to do us
    // harm is bounded in memory and in time.
    ControlSocket::Settings{.path = path,
                            .mode = 0666,
                            .max_clients = 4,
                            .admits_confined = true,
                            .max_request_bytes = 256 << 10,
                            .max_requests_at_once = 16},
    host_));
}

bool ControlPlane::flush()
{
  bool more = socket_ && socket_->flush();
  for (const auto& restricted : restricted_) {
    more = restricted->socket.flush() || more;
  }
  return more;
}

StreamAddress ControlPlane::serve_metrics(const ListenOptions& options)
{
  metrics_ = std::make_unique<MetricsServer>(host_, options, [this] { return snapshot(); });
  return metrics_->address();
}

std::optional<AcceleratorStatus> ControlPlane::accelerator_status()
{
  const AcceleratorView* const accelerator = commands_.accelerator().accelerator();
  if (accelerator == nullptr) {
    return std::nullopt;
  }
  try {
    return accelerator->status();
  } catch (const std::system_error&) {
    return std::nullopt; // the other figures are worth having
  }
}

MetricsSnapshot ControlPlane::snapshot()
{
  return {.flows = statistics_.now(gateway_.flows()),
          .drops = gateway_.drops(),
          .refused_for_limit = gateway_.refused_for_limit(),
          .max_flows = gateway_.flows().capacity(),
          .memory_bytes = pool_.used_bytes(),
          .max_memory_bytes = pool_.ceiling_bytes(),
          .forwards = gateway_.forwards().size(),
          .rules = gateway_.policy().rules().rules().size(),
          .accelerator = accelerator_status(),
          .flows_handed_over = gateway_.flows_handed_over()};
}

} // namespace slirpstack
