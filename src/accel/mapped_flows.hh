#pragma once

#include "accel/expiry.hh"
#include "accel/nat_object.hh"
#include "accel/nat_table.hh"
#include "flow/flow_key.hh"
#include "slirpstack/nat_map.h"

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>

namespace slirpstack {

/// The flows of mapped IPv6 addresses that the kernel carries, of all guests: the map `mapped`.
///
/// Those of a predecessor, in a map that was pinned, are former ones until policy has been asked
/// anew: what the guest sends next begins them again, or they end.
class MappedFlows
{
public:
  struct Limits
  {
    std::size_t max_flows = SIZE_MAX;
    bool is_shared = false; ///< by several guests: none may have more than it leaves to the others
  };

  /// Told of a guest's flows that have been silent too long and were ended.
  using OnEnded = std::function<void(const FlowKey&)>;

  /// Makes a predecessor's flows former ones. `object` must outlive this; `on_added` runs for each
  /// flow that is added.
  MappedFlows(const NatObject& object,
              const NatExpiry::Timeouts& timeouts,
              const Limits& limits,
              std::function<void()> on_added);

  void attach(std::uint8_t zone, OnEnded on_ended) { guests_[zone] = std::move(on_ended); }
  void detach(std::uint8_t zone) { guests_.erase(zone); }

  /// `own`: how many the guest has. False: there is no room, or the remote knows another flow by
  /// the same address and port. A former one of the guest's goes on as it was. Throws
  /// std::system_error.
  bool add(const nat_mapped_key& key, nat_mapped flow, std::size_t own);
  /// No such flow is no error.
  void erase(const nat_mapped_key& key);

  [[nodiscard]] bool was_carried(std::uint8_t zone, const FlowKey& flow) const
  {
    return former_.contains(of_guest(zone, flow));
  }
  /// No such flow is no error.
  void end_former(std::uint8_t zone, const FlowKey& flow);
  /// Ends those of a guest that its mappings no longer lead to.
  void end_former_unless(std::uint8_t zone,
                         const std::function<bool(const FlowKey&, const IpAddress&)>& leads);
  /// Ends those of guests who have not come back.
  void end_adoption();

  /// Goes through some thousands of them and ends the silent ones; true: that were the last. `now`
  /// is CLOCK_MONOTONIC. Throws std::system_error; the next call begins anew.
  bool step(std::chrono::nanoseconds now);
  /// All in one turn; returns how many are left. Throws std::system_error.
  std::size_t sweep(std::chrono::nanoseconds now);
  [[nodiscard]] std::size_t size() const { return count_; }

private:
  [[nodiscard]] std::chrono::seconds timeout_of(const nat_mapped_key& key,
                                                const nat_mapped& flow) const;

  /// A flow and whose it is.
  struct GuestsFlow
  {
    std::uint8_t zone;
    std::uint8_t protocol;
    Endpoint guest;
    Endpoint remote;
    auto operator<=>(const GuestsFlow&) const = default;
  };
  static GuestsFlow of_guest(std::uint8_t zone, const FlowKey& flow)
  {
    return {zone, flow.protocol, flow.guest, flow.remote};
  }
  void adopt();
  /// Ends the former ones of which `ends` is true.
  template<typename Ends>
  void end_formers(Ends ends);

  NatTable<nat_mapped_key, nat_mapped> mapped_;
  NatTable<nat_mapped_key, nat_mapped>::Cursor swept_;
  NatExpiry::Timeouts timeouts_;
  Limits limits_;
  std::function<void()> on_added_;
  std::map<std::uint8_t, OnEnded> guests_;
  std::map<GuestsFlow, nat_mapped_key> former_;
  std::size_t count_ = 0;
};

/// What the kernel calls a flow whose guest's address is `external` outside.
[[nodiscard]] nat_mapped_key mapped_key(const FlowKey& flow, const IpAddress& external);
[[nodiscard]] FlowKey flow_of(const nat_mapped_key& key, const nat_mapped& flow);

} // namespace slirpstack
