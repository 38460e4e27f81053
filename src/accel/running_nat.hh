#pragma once

#include "accel/binding_log.hh"
#include "accel/binding_writer.hh"
#include "accel/early_fragments.hh"
#include "accel/expiry.hh"
#include "accel/followed_interface.hh"
#include "accel/heartbeat.hh"
#include "accel/interface_claim.hh"
#include "accel/mapped_flows.hh"
#include "accel/nat_accelerator.hh"
#include "accel/nat_events.hh"
#include "accel/nat_forwards.hh"
#include "accel/nat_ledger.hh"
#include "accel/nat_plan.hh"
#include "accel/pin_lock.hh"
#include "accel/prefix_mirror.hh"
#include "accel/program_settings.hh"
#include "accel/route_mirror.hh"
#include "accel/zones.hh"
#include "host/loop.hh"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace slirpstack {

/// The NAT at work, with all that keeps it so: its programs on the external interface and those of
/// the guests, the host's routes in its maps, its events, and the end of what is silent. It needs
/// the loop, and wakes it only while there are bindings.
///
/// It follows its interfaces (FollowedInterface). While the external one is gone there are no
/// routes, so that what the user-mode stack offers is declined and gets sockets; bindings stay. An
/// address of the interface's own that becomes another one takes its bindings with it.
class RunningNat
{
public:
  struct Settings
  {
    NatHook hook = NatHook::xdp;
    NatSizes sizes;
    std::string pin_folder; ///< empty: the maps go with this object
    NatPlan plan;
    NatExpiry::Timeouts timeouts;
    std::string external;                    ///< the interface that leads to the world
    std::string external_flag = "-external"; ///< the option that names it, for errors
    /// The interface behind which all guests are; empty: each joins with its own.
    std::string internal;
    /// The plan's only external address is the one of `external`, whichever that is.
    bool follows_address = false;
    WayTable::Settings ways;
    bool logs_bindings = false;
    bool is_shared = false; ///< by several guests
    /// To subscribers behind `internal`.
    std::vector<ForwardSpec> forwards;
  };

  /// Where packets of one or more guests come in.
  struct Guest
  {
    int interface = 0;
    /// slirpstack's own, for what is left to the user-mode stack; 0: none, that is the host's.
    int tap = 0;
    /// The only guest there; none: several, each known by what it sends.
    std::optional<MacAddress> mac;
  };

  /// Attaches the external interface, and the internal one. Takes over what is pinned, and keeps
  /// others from it as long as it lives. Throws std::system_error, UsageError.
  RunningNat(Loop& loop, const Settings& settings);
  ~RunningNat();
  RunningNat(const RunningNat&) = delete;
  RunningNat& operator=(const RunningNat&) = delete;

  /// Attaches a guest's interface and its tap. Returns its zone. Throws std::system_error.
  std::uint8_t add_guest(const Guest& guest);
  /// Detaches it and ends its bindings.
  void remove_guest(int interface);
  /// All guests of the start are there: bindings of others, in pinned maps, are ended.
  void end_adoption();

  /// Who makes the bindings; null where the kernel does.
  [[nodiscard]] BindingWriter* writer() { return writer_ ? &*writer_ : nullptr; }
  /// Who publishes ports of guests. Null for more addresses than it can look after.
  [[nodiscard]] BindingWriter* publisher() { return publisher_ ? &*publisher_ : writer(); }
  /// Forwards to subscribers behind the internal interface; null where guests have their own.
  [[nodiscard]] PublishedForwards* forwards() { return forwards_ ? &*forwards_ : nullptr; }
  /// What guests have of mapped IPv6.
  [[nodiscard]] PrefixMirror& prefixes() { return prefixes_; }
  [[nodiscard]] const PrefixMirror& prefixes() const { return prefixes_; }
  [[nodiscard]] MappedFlows& mapped() { return mapped_; }
  [[nodiscard]] const MappedFlows& mapped() const { return mapped_; }
  /// Interfaces of guests, by number.
  [[nodiscard]] std::vector<int> guests() const;
  [[nodiscard]] const Settings& settings() const { return settings_; }
  [[nodiscard]] const NatObject& object() const { return nat_.object(); }
  [[nodiscard]] const NatLedger& ledger() const { return ledger_; }
  /// The interface that leads to the world, as it is just now.
  [[nodiscard]] const FollowedInterface& external() const { return external_; }

private:
  void on_event(const nat_event& event);
  [[nodiscard]] FollowedInterface::Role external_role();
  [[nodiscard]] FollowedInterface::Role internal_role();
  [[nodiscard]] RouteMirror::Outlook follow();
  void follow_gateway();
  void warn_of_unrouted() const;
  void follow_address();
  void move_to(const IpAddress& address);
  /// Undoes add_guest() but for the bindings.
  void take_out(int interface);
  [[nodiscard]] PortPool make_pool() const;
  void on_binding(const nat_endpoint& internal, const nat_endpoint& external, bool is_bound);
  [[nodiscard]] NatExpiry make_expiry();
  void begin_forwards();
  void end_unplanned();
  void hold_fragments(Loop& loop);
  /// There are bindings, of which those that fall silent have to be ended, or open mappings: their
  /// gateways have to be known.
  void look_after_bindings();
  void sweep();
  [[nodiscard]] std::map<unsigned, unsigned> former_zones() const;

  Settings settings_;
  PinLock pin_lock_; ///< before the maps are
  InterfaceClaim claim_;
  NatAccelerator nat_;
  NatTable<std::uint32_t, nat_interface> interfaces_;
  ProgramSettings program_settings_;
  NatLedger ledger_;
  Zones zones_;
  std::map<int, Guest> guests_;
  std::map<int, unsigned> zone_of_;
  BindingLog binding_log_;
  FollowedInterface external_;
  std::optional<FollowedInterface> internal_;
  bool is_following_ = false; ///< all is there that has to follow
  bool had_bindings_ = false; ///< of a predecessor, in pinned maps
  RouteMirror routes_;
  PrefixMirror prefixes_;
  MappedFlows mapped_;
  std::optional<BindingWriter> writer_;
  std::optional<BindingWriter> publisher_;
  std::optional<NatForwards> forwards_;
  NatExpiry expiry_;
  std::optional<NatExpiry::Swept> swept_; ///< what a sweep has done that is at the mapped flows
  NatEvents events_;
  Watch event_watch_;
  std::optional<EarlyFragments> early_;
  Timer sweep_;
  Heartbeat heartbeat_; ///< where the programs would outlive us
};

} // namespace slirpstack
