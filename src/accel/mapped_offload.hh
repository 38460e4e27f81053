#pragma once

#include "accel/binding_maker.hh"
#include "accel/mapped_flows.hh"
#include "accel/prefix_mirror.hh"
#include "flow/flow_offload.hh"

#include <cstdint>
#include <unordered_map>

namespace slirpstack {

/// One guest's mapped addresses in the kernel: keeps its mappings there, and the records of the
/// flows that it carries, each of which policy has allowed.
class MappedOffload final : public FlowOffload
{
public:
  struct Settings
  {
    GuestPlace guest;
    std::uint32_t mtu_bytes = 1500; ///< of what the guest sends
    /// Only who was sent a datagram may answer (`-udp-filter port`). Other filters are a socket's.
    bool carries_udp = true;
    bool keeps_flows = false; ///< for a successor (`-pin`), when this goes
  };

  /// All references are all guests' and must outlive this.
  MappedOffload(PrefixMirror& prefixes,
                MappedFlows& flows,
                const NatObject& object,
                const Settings& settings,
                const HashSecret& secret);
  ~MappedOffload() override;
  MappedOffload(const MappedOffload&) = delete;
  MappedOffload& operator=(const MappedOffload&) = delete;
  MappedOffload(MappedOffload&&) = delete;
  MappedOffload& operator=(MappedOffload&&) = delete;

  /// The guest's mappings are these from now on. Flows that leave from an address that the guest's
  /// is no longer mapped to end.
  void set_mappings(const PrefixMap& map);
  /// The guest is gone: ends all that is in the kernel, for good.
  void forget();

  [[nodiscard]] bool may_carry(const IpAddress& guest) const override
  {
    return is_mirrored_ && guest.is_ipv6();
  }
  [[nodiscard]] bool carries(const FlowKey& key) const override { return carried_.contains(key); }
  [[nodiscard]] bool was_carried(const FlowKey& key) const override
  {
    return flows_.was_carried(settings_.guest.zone, key);
  }
  void end_former(const FlowKey& key) override { flows_.end_former(settings_.guest.zone, key); }
  /// Routers do not cut IPv6 (RFC 8200), and what the guest sends fits the way of a flow taken.
  [[nodiscard]] std::size_t mtu_towards(const IpAddress& /*remote*/) const override
  {
    return SIZE_MAX;
  }
  [[nodiscard]] OffloadAnswer offer(const FlowOffer& offer,
                                    FlowRecord& record,
                                    TimePoint now) override;
  std::size_t end_if(const std::function<bool(FlowRecord&)>& ends, TimePoint now) override;
  /// The mapped flows end, unless a successor is to have them: without the gateway nobody could say
  /// that policy has changed.
  void drop_records() override;
  void for_each(const std::function<void(const FlowKey&, const FlowRecord&)>& visit) const override;
  [[nodiscard]] std::size_t size() const override { return carried_.size(); }

private:
  struct Carried
  {
    FlowRecord record;
    IpAddress external;
  };

  [[nodiscard]] bool has_way(const IpAddress& remote);
  [[nodiscard]] OffloadAnswer take(const FlowOffer& offer, FlowRecord& record, TimePoint now);
  /// Ends the flows of which `ends` is true of key and value; returns how many.
  template<typename Ends>
  std::size_t end_those(Ends ends);

  PrefixMirror& prefixes_;
  MappedFlows& flows_;
  NatTable<nat_route6_key, nat_route> routes_;
  Settings settings_;
  std::unordered_map<FlowKey, Carried, FlowKeyHash> carried_;
  bool is_mirrored_ = false; ///< there are mappings, and the kernel has them
  bool is_gone_ = false;
  bool told_of_mtu_ = false;
  bool told_of_room_ = false;
};

} // namespace slirpstack
