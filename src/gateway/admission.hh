#pragma once

#include "base/log.hh"
#include "flow/event_time.hh"
#include "flow/flow_table.hh"
#include "flow/grant.hh"
#include "flow/policy.hh"
#include "wire/drop.hh"

#include <functional>

namespace slirpstack {

/// How the guest is told that it may not open a flow.
enum class RefusalAnswer : std::uint8_t
{
  silence,
  prohibited,     ///< ICMP "administratively prohibited"
  no_such_host,   ///< ICMP host unreachable
  nobody_listens, ///< RST, port unreachable
  out_of_room,    ///< what a host would say that has no room for the flow
  no_port,        ///< ICMP host unreachable: no external port is left (RFC 6888 REQ-11)
  over_quota,     ///< the same: the guest has its share (RFC 6888 REQ-11B)
};

/// In whose manner the guest is told that policy denies a flow.
enum class DenialManner : std::uint8_t
{
  prohibited,  ///< ICMP "administratively prohibited"
  refused,     ///< slirpnetstack's: a connection is reset, a datagram dropped
  unreachable, ///< slirp4netns's: ICMP network unreachable
};

/// What is said to a request for a flow: a grant to put into the flow's record, or how to refuse.
struct Admitted
{
  bool granted = false;
  Grant grant;
  RefusalAnswer answer = RefusalAnswer::silence;
};

/// Decides on each new flow: what policy says, what the limits of its rule leave, and whether there
/// is room. Each refusal is counted and logged with its reason.
class Admission
{
public:
  struct Settings
  {
    /// Flows to one address at a time; 0: no limit.
    std::size_t max_flows_per_destination = 0;
  };
  using HostNetworksSource = std::function<const HostNetworks&()>;

  /// All references must outlive this.
  Admission(const Settings& settings,
            const HashSecret& secret,
            const EventTime& time,
            Policy& policy,
            FlowTable& flows,
            DropCounters& drops,
            HostNetworksSource host_networks);

  /// A flow to where the guest or the client wants to go.
  [[nodiscard]] Admitted ask(const FlowRequest& request, const FlowKey& key);
  /// The same for a flow that may need no room among ours.
  [[nodiscard]] Admitted ask_without_room(const FlowRequest& request, const FlowKey& key);
  /// The same as ask() for what nobody in here has asked for; a refusal is no news.
  [[nodiscard]] Admitted ask_unsolicited(const FlowRequest& request, const FlowKey& key);
  /// A flow of the guest to a service of ours.
  [[nodiscard]] Admitted ask_for_service(const FlowRequest& request, const FlowKey& key);
  /// A flow that no policy is asked about: a remote forward's.
  [[nodiscard]] Admitted ask_for_room(const FlowKey& key);
  /// A bound of some flows beside that of all.
  struct Bound
  {
    std::string_view name;
    std::uint64_t most = 0;
    Drop reason = Drop::too_many_flows;
    std::function<bool()> has_room; ///< asked when all else agrees: it may end another flow
  };
  /// The same as `ask` under such a bound.
  [[nodiscard]] Admitted ask_within(const Bound& bound,
                                    const FlowRequest& request,
                                    const FlowKey& key);
  /// A DNS query to our DNS address, which is no flow. False: policy or a limit is against it;
  /// `answer` says how.
  [[nodiscard]] Admitted ask_for_query(const FlowRequest& request, const FlowKey& key);

  /// Whether policy would still allow the flow; its grant then names the rule that does.
  [[nodiscard]] bool still_allows(FlowRecord& record);

  [[nodiscard]] std::uint64_t refused_for_limit() const { return refused_for_limit_; }

private:
  [[nodiscard]] Admitted judge(const Verdict& verdict,
                               const FlowRequest& request,
                               const FlowKey& key,
                               LogLevel level = LogLevel::warning,
                               const Bound* bound = nullptr);
  /// The last question: to make room may end another flow.
  [[nodiscard]] Admitted with_room(Admitted admitted, const FlowKey& key);
  [[nodiscard]] Admitted refuse(const Verdict& verdict, const FlowKey& key, LogLevel level);
  struct Limit
  {
    std::string_view name;
    std::uint64_t value = 0;
    Drop reason = Drop::too_many_flows;
  };

  [[nodiscard]] Admitted refuse_for_limit(const Limit& limit, const FlowKey& key);
  [[nodiscard]] std::optional<Limit> exceeded_limit(RuleAccount& rule) const;
  [[nodiscard]] Limit max_flows() const { return {"max-flows", flows_.capacity()}; }
  [[nodiscard]] bool has_room();

  Settings settings_;
  const EventTime& time_;
  Policy& policy_;
  FlowTable& flows_;
  DropCounters& drops_;
  HostNetworksSource host_networks_;
  DestinationCounts destinations_;
  std::uint64_t refused_for_limit_ = 0;
};

} // namespace slirpstack
