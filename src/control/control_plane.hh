#pragma once

#include "control/commands.hh"
#include "control/control_socket.hh"
#include "control/forward_planner.hh"
#include "control/map_commands.hh"
#include "control/metrics_server.hh"
#include "control/rule_loader.hh"
#include "flow/flow_statistics.hh"
#include "flow/lookup_queue.hh"
#include "gateway/gateway.hh"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace slirpstack {

/// What stands beside a gateway and steers it: forwards, rules, the control socket, metrics.
class ControlPlane
{
public:
  struct Settings
  {
    std::string rules_file; ///< empty: none
    ForwardDefaults defaults;
  };

  /// All references must outlive this, `host` and `names` the gateway too.
  ControlPlane(const Settings& settings,
               Gateway& gateway,
               HostNetwork& host,
               NameResolver& names,
               const BlockPool& pool,
               Admission::HostNetworksSource host_networks);
  ~ControlPlane();
  ControlPlane(const ControlPlane&) = delete;
  ControlPlane& operator=(const ControlPlane&) = delete;
  ControlPlane(ControlPlane&&) = delete;
  ControlPlane& operator=(ControlPlane&&) = delete;

  [[nodiscard]] ForwardPlanner& planner() { return planner_; }
  [[nodiscard]] RuleLoader& rules() { return rules_; }
  /// Throw std::system_error when they cannot listen.
  void open_socket(const std::string& path);
  /// A socket that whoever reaches its file may use, for the prefix map within `scope` alone.
  void open_restricted_socket(const std::string& path, const MapScope& scope);
  StreamAddress serve_metrics(const ListenOptions& options);
  /// Sockets and metrics show the accelerator from now on; it must outlive this.
  void set_accelerator(const AcceleratorView& accelerator)
  {
    commands_.accelerator().set_accelerator(accelerator);
  }

  /// The end of a turn of the loop. True: more work is left.
  [[nodiscard]] bool flush();
  [[nodiscard]] TimePoint next_deadline() const { return rules_.next_deadline(); }
  void on_deadline() { rules_.on_deadline(); }

private:
  [[nodiscard]] MetricsSnapshot snapshot();
  [[nodiscard]] std::optional<AcceleratorStatus> accelerator_status();

  struct Restricted;

  Settings settings_;
  Gateway& gateway_;
  HostNetwork& host_;
  const BlockPool& pool_;
  Admission::HostNetworksSource host_networks_;
  FlowStatistics statistics_;
  ForwardPlanner planner_;
  LookupQueue rule_names_;
  RuleLoader rules_;
  Commands commands_;
  std::unique_ptr<ControlSocket> socket_;
  std::vector<std::unique_ptr<Restricted>> restricted_;
  std::unique_ptr<MetricsServer> metrics_;
};

} // namespace slirpstack
