#pragma once

#include "flow/host_networks.hh"
#include "flow/rule_set.hh"
#include "wire/address.hh"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slirpstack {

/// Why the guest may not reach a destination. The names go into the log.
enum class Denial : std::uint8_t
{
  unspecified_address,
  loopback,
  multicast_or_broadcast,
  link_local,
  metadata_service,
  guest_network,
  host_address,
  host_network,
  embedded_ipv4,
  routing_disabled,
};

std::string_view denial_name(Denial denial);

/// The destinations of 4, below, of one family: no guest has a reason to reach them.
[[nodiscard]] std::vector<Prefix> closed_networks(Family family);

/// IPv6 networks whose addresses stand for IPv4 ones, or may: each has to be judged for itself.
[[nodiscard]] std::vector<Prefix> embedding_networks();

/// What becomes of a new flow, and who says so.
struct Verdict
{
  RuleAction action = RuleAction::allow;
  std::shared_ptr<RuleAccount> rule; ///< the rule that decided, if one did
  std::optional<Denial> denial;      ///< else, if it is not allowed, why

  [[nodiscard]] bool allows() const { return action == RuleAction::allow; }
  /// `line 3: deny 10.0.0.0/8`, `-deny 10.0.0.0/8`, or the denial's name; for the log.
  [[nodiscard]] std::string reason() const;
};

/// Decides which new flows there may be. Asked once for each, in this order; the first that has a
/// word to say decides:
///
/// 1. the rules (`-rules`), in theirs    2. `-deny`    3. `-allow`
/// 4. what no guest has a reason to reach: loopback, link-local, multicast, metadata services …
/// 5. the host and its networks, unless `-enable-host`    6. all the rest, if routing is allowed
///
/// 4 to 6 are about what the guest opens; what a client of the host opens, by a forward, is
/// allowed unless a rule says otherwise. An allowing rule goes before 4: it is its author's word. A
/// name in a rules file is not: whoever answers for it may say any address, so 4 and 5 hold.
class Policy
{
public:
  struct Settings
  {
    std::vector<Prefix> guest_networks; ///< nobody lives there but the guest and us
    bool allow_host_networks = false;   ///< `-enable-host`
    /// Networks that the host reaches through a gateway other than its default one count as its
    /// own too.
    bool guards_routed_networks = false;
    /// No IPv6 destination that embeds an IPv4 address, whatever that is.
    bool denies_embedded_ipv4 = false;
    bool allow_routing = true; ///< not `-disable-routing`
    /// A name that is allowed opens whatever its addresses are, 4 to 6 notwithstanding: whoever
    /// answers for the name decides.
    bool trusts_listed_names = false;
  };

  explicit Policy(Settings settings) : settings_(std::move(settings)) {}

  /// `host` is what the host is attached to just now.
  [[nodiscard]] Verdict decide(const FlowRequest& flow, const HostNetworks& host) const;
  /// The same for a service of ours, which 4 to 6 do not concern.
  [[nodiscard]] Verdict decide_service(const FlowRequest& flow) const;

  /// Whether a flow of that kind is let in whoever it is from, and under no limit; its `source`
  /// does not matter. For clients that nobody asks about.
  [[nodiscard]] bool admits_everyone(const FlowRequest& flow) const;

  /// 4 to 6 alone. Nothing: allowed. An IPv6 destination that embeds an IPv4 address (mapped,
  /// compatible, NAT64, 6to4) is also judged by that one.
  [[nodiscard]] std::optional<Denial> denial(const IpAddress& destination,
                                             const HostNetworks& host) const;
  /// Whether no host can have this address towards the guest: 4, the guest's networks, and IPv6
  /// addresses that stand for an IPv4 one.
  [[nodiscard]] bool is_reserved(const IpAddress& address) const;

  /// The rules of `-rules`; what had been there passes its accounts on.
  void set_rules(RuleSet rules);
  void set_lists(RuleSet deny, RuleSet allow);
  [[nodiscard]] const RuleSet& rules() const { return rules_; }
  /// How many rules there are, those of the lists included.
  [[nodiscard]] std::size_t rules_in_all() const
  {
    return rules_.rules().size() + deny_.rules().size() + allow_.rules().size();
  }
  /// Every name in rules and lists.
  [[nodiscard]] std::vector<HostName> names() const;
  /// Those of the lists alone.
  [[nodiscard]] std::vector<HostName> list_names() const;
  /// Whether `-deny` names it.
  [[nodiscard]] bool list_forbids(const HostName& name) const { return deny_.forbids(name); }
  /// What `-deny` and `-allow` say of it.
  [[nodiscard]] std::vector<std::string> lists_about(const HostName& name) const;
  void set_addresses(const HostName& name, std::span<const IpAddress> addresses);

private:
  [[nodiscard]] std::optional<Denial> static_denial(const IpAddress& destination) const;
  [[nodiscard]] std::optional<Verdict> ruled(const FlowRequest& flow) const;
  /// What is against a verdict that a name in a rules file has brought about.
  [[nodiscard]] std::optional<Denial> denied_name(const Verdict& verdict,
                                                  const FlowRequest& flow,
                                                  const HostNetworks& host) const;

  Settings settings_;
  RuleSet rules_;
  RuleSet deny_;
  RuleSet allow_;
};

} // namespace slirpstack
