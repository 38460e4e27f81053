#pragma once

#include "control/accelerator_commands.hh"
#include "control/explanation.hh"
#include "control/forward_planner.hh"
#include "control/map_commands.hh"
#include "control/request_handler.hh"
#include "control/rule_loader.hh"
#include "flow/flow_statistics.hh"
#include "gateway/gateway.hh"

#include <functional>
#include <list>
#include <memory>
#include <string>

namespace slirpstack {

/// Does what is asked for over a control socket.
class Commands final : public RequestHandler
{
public:
  /// What the commands work on; all of it must outlive this.
  struct Subject
  {
    Gateway& gateway;
    const FlowStatistics& statistics;
    ForwardPlanner& planner;
    RuleLoader& rules;
    NameResolver& names;
    Admission::HostNetworksSource host_networks;
    /// Who a flow comes from where a request does not say: the guest's addresses.
    IpAddress guest_ipv4;
    IpAddress guest_ipv6;
  };

  explicit Commands(Subject subject);
  ~Commands() override;
  Commands(const Commands&) = delete;
  Commands& operator=(const Commands&) = delete;
  Commands(Commands&&) = delete;
  Commands& operator=(Commands&&) = delete;

  void execute(const Request& request, Reply reply) override;
  [[nodiscard]] AcceleratorCommands& accelerator() { return accelerator_; }

private:
  void run(const AddForward& request, const Reply& reply);
  void run(const ListForwards& request, const Reply& reply);
  void run(const RemoveForward& request, const Reply& reply);
  void run(const ReloadRules& request, const Reply& reply);
  void run(const ListRules& request, const Reply& reply);
  void run(const Explain& request, const Reply& reply);
  void run(const ListFlows& request, const Reply& reply) const;
  void run(const ShowStatistics& request, const Reply& reply);
  /// What is about the prefix map.
  template<typename Asked>
  requires requires(MapCommands& maps, const Asked& asked) { maps.run(asked); }
  void run(const Asked& request, const Reply& reply) { reply(maps_.run(request)); }
  /// What is about the accelerator.
  template<typename Asked>
  requires requires(AcceleratorCommands& accelerator, const Asked& asked)
  {
    accelerator.run(asked);
  }
  void run(const Asked& request, const Reply& reply) { reply(accelerator_.run(request)); }
  void explain_addresses(const Explain& request,
                         const LookupAnswer& answer,
                         const Reply& reply) const;
  [[nodiscard]] Explanation explain_one(const Explain& request, const IpAddress& address) const;

  Subject subject_;
  MapCommands maps_;
  AcceleratorCommands accelerator_;
  std::list<std::unique_ptr<PendingLookup>> lookups_;
};

} // namespace slirpstack
