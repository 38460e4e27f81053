#pragma once

#include "accel/binding_maker.hh"
#include "accel/flow_sessions.hh"
#include "accel/former_bindings.hh"
#include "accel/guest_shares.hh"
#include "accel/nat_endings.hh"
#include "accel/nat_endpoints.hh"
#include "accel/reserved_ports.hh"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace slirpstack {

/// Writes what policy has allowed into the kernel's maps, for all guests: bindings, whose ports are
/// out of its pool, and sessions. It expects to be their only maker (nat_settings.flags with
/// NAT_ASK_REMOTES, without NAT_ALLOCATE), and keeps in mind what it has made; where another was
/// first, that one's binding is used.
///
/// nat_settings.generation is its own: whoever changes the settings reads them first.
class BindingWriter final : public NatEndings
{
public:
  /// Told of the bindings that it makes, forwards among them, and that end.
  using OnBinding = std::function<
    void(const nat_endpoint& internal, const nat_endpoint& external, bool is_bound)>;

  using Limits = GuestShares::Limits;

  /// Of what a predecessor has allowed nothing is allowed any more.
  BindingWriter(const NatObject& object,
                PortPool pool,
                const Limits& limits,
                OnBinding on_binding = {});
  ~BindingWriter() override = default;
  BindingWriter(const BindingWriter&) = delete;
  BindingWriter& operator=(const BindingWriter&) = delete;
  BindingWriter(BindingWriter&&) = delete;
  BindingWriter& operator=(BindingWriter&&) = delete;

  /// Takes over all bindings in the maps, a predecessor's, and the rest of its ports. They are void
  /// until policy has allowed what comes from there (see nat_settings.generation). Forwards end,
  /// but for those that add_static() has taken over before. Until then whatever of a predecessor's
  /// is in the way of a forward, or of a port of the host's, gives way to it.
  void adopt(TimePoint now);
  /// Instead of that, where the kernel makes the bindings: ends a predecessor's forwards that
  /// add_static() has not taken over.
  void end_former_statics(TimePoint now);

  /// Lets a flow pass, out and in, until close() or its silence. All flows of one endpoint of the
  /// guest share its binding. `guest` is told of its end. Nothing: done; a refusal is logged.
  /// Throws std::system_error, as all of these do.
  [[nodiscard]] std::optional<PortRefusal> open(const FlowKey& flow,
                                                const GuestPlace& place,
                                                GuestFlows& guest,
                                                TimePoint now);
  /// The flow passes no longer; if it was the last of its binding, that ends too.
  void close(const FlowKey& flow, std::uint8_t zone, TimePoint now);
  /// Bindings without a flow are void from now on: what comes from there is asked about anew.
  void advance_generation();
  /// Whether the kernel has a session for the flow, whoever made it.
  [[nodiscard]] bool has_session(const FlowKey& flow, std::uint8_t zone) const;
  /// Ends such a session, which is no flow's that was opened here.
  void end_session(const FlowKey& flow, std::uint8_t zone);
  /// Ends what is left in the kernel of connections that the guest has ended.
  void end_released(const GuestFlows& guest) { sessions_.end_released(guest); }
  /// `guest`, whose flows are to come, must be detached before it goes.
  void attach(const GuestFlows& guest) { sessions_.attach(guest); }
  /// `guest` is told of nothing any more. Its bindings stay.
  void detach(const GuestFlows& guest);
  /// Whether it has a binding for that endpoint of a guest.
  [[nodiscard]] bool binds(const Endpoint& guest, std::uint8_t protocol, std::uint8_t zone) const
  {
    return bound_.contains(map_endpoint(guest, protocol, zone));
  }

  struct PublicPort
  {
    Endpoint external;
    std::uint8_t protocol;
  };

  /// Puts a forward into effect. Nothing: done. Nobody is asked who may come in by it.
  [[nodiscard]] std::optional<StaticRefusal> add_static(const StaticForward& forward,
                                                        TimePoint now);
  /// Ends it, and the connections through it. False: there is none.
  bool remove_static(const Endpoint& external, std::uint8_t protocol, TimePoint now);
  /// The same for many at once, in the time of one. Returns how many there were.
  std::size_t remove_statics(const std::vector<PublicPort>& ports, TimePoint now);
  /// The Ethernet address of the guest that a forward leads to; none such is no error.
  void place_static(const Endpoint& external, std::uint8_t protocol, const MacAddress& mac)
  {
    maker_.bindings().set_mac(map_endpoint(external, protocol, 0), mac);
  }
  /// The external address is `address` now; all that was bound at the old one has ended. What is
  /// kept for sockets is kept there.
  void replace_pool(PortPool pool, const IpAddress& address, TimePoint now);
  [[nodiscard]] ReservedPorts& reserved() { return reserved_; }

  void on_session_closed(const nat_session_key& session) override;
  void on_session_ended(const nat_session_key& session) override;
  void on_binding_ended(const nat_endpoint& internal, TimePoint now) override;

  [[nodiscard]] std::size_t bindings() const { return bound_.size(); }
  [[nodiscard]] const PortPool& pool() const { return maker_.pool(); }
  /// Flows that found no port or no room.
  [[nodiscard]] std::uint64_t refused() const { return refused_; }

private:
  bool end_static(const nat_endpoint& outside, TimePoint now);
  struct Bound
  {
    BindingMaker::Made made;
    MacAddress mac;              ///< all zero until the guest has sent something
    GuestFlows* guest = nullptr; ///< null before its first flow
    std::size_t flows = 0;
  };
  using AllBound = std::map<nat_endpoint, Bound, NatEndpointOrder>;

  [[nodiscard]] nat_settings current_settings() const;
  std::optional<PortRefusal> bind(const nat_endpoint& internal,
                                  const GuestPlace& place,
                                  std::uint32_t generation,
                                  TimePoint now);
  void remember(const nat_endpoint& internal,
                const BindingMaker::Made& made,
                const MacAddress& mac);
  [[nodiscard]] bool is_ours(const nat_endpoint& external) const
  {
    return internals_.contains(external) || reserved_.contains(external);
  }
  /// False: no predecessor's is in the way.
  bool evict_for(const StaticForward& forward, TimePoint now);
  void end_if_unused(AllBound::iterator bound, TimePoint now);
  void forget(AllBound::iterator bound, TimePoint now);
  /// Its guest, which is told; null: it is no flow of a guest's.
  GuestFlows* forget_flow(const nat_session_key& session);
  PortRefusal refuse(const nat_endpoint& internal, PortRefusal reason);

  OnBinding on_binding_;
  BindingMaker maker_;
  NatTable<nat_endpoint, nat_binding> bindings_;
  NatTable<std::uint32_t, nat_settings> settings_;
  FlowSessions sessions_;
  FormerBindings former_;
  ReservedPorts reserved_;
  AllBound bound_;                                                   ///< by internal endpoint
  std::map<nat_endpoint, nat_endpoint, NatEndpointOrder> internals_; ///< by external endpoint
  std::uint64_t refused_ = 0;
  bool is_complaining_ = false; ///< since the last port that came free
};

} // namespace slirpstack
