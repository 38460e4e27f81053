#pragma once

#include "accel/binding_writer.hh"
#include "accel/nat_scope.hh"
#include "flow/flow_offload.hh"

#include <unordered_map>

namespace slirpstack {

/// One guest's IPv4 flows that the kernel carries: keeps their records, and with them their places
/// under the limits that they were admitted under, from the gateway's offer to the end of their
/// sessions.
class GuestOffload final
  : public FlowOffload
  , private GuestFlows
{
public:
  struct Settings
  {
    std::uint32_t ifindex = 0; ///< our end of the guest's veth pair
    std::uint8_t zone = 0;     ///< nat_interface.zone of that
    MacAddress mac;            ///< the guest's, of what it sends in fragments
    /// A socket of the host would be seen under the same address, so it may take what finds no port
    /// or no room here.
    bool has_sockets_beside = false;
  };

  /// `writer` is all guests' and must outlive this.
  GuestOffload(BindingWriter& writer,
               const NatObject& object,
               const Settings& settings,
               const HashSecret& secret);
  /// What is carried goes on.
  ~GuestOffload() override;
  GuestOffload(const GuestOffload&) = delete;
  GuestOffload& operator=(const GuestOffload&) = delete;
  GuestOffload(GuestOffload&&) = delete;
  GuestOffload& operator=(GuestOffload&&) = delete;

  [[nodiscard]] bool may_carry(const IpAddress& guest) const override { return guest.is_ipv4(); }
  [[nodiscard]] bool carries(const FlowKey& key) const override { return records_.contains(key); }
  [[nodiscard]] bool was_carried(const FlowKey& key) const override
  {
    return writer_.has_session(key, settings_.zone);
  }
  void end_former(const FlowKey& key) override { writer_.end_session(key, settings_.zone); }
  [[nodiscard]] OffloadAnswer offer(const FlowOffer& offer,
                                    FlowRecord& record,
                                    TimePoint now) override;
  [[nodiscard]] std::size_t mtu_towards(const IpAddress& remote) const override
  {
    return scope_.mtu_bytes_to(remote).value_or(SIZE_MAX);
  }
  std::size_t end_if(const std::function<bool(FlowRecord&)>& ends, TimePoint now) override;
  void drop_records() override;
  void for_each(const std::function<void(const FlowKey&, const FlowRecord&)>& visit) const override;
  [[nodiscard]] std::size_t size() const override { return records_.size(); }

private:
  [[nodiscard]] OffloadAnswer open(const FlowKey& key,
                                   const GuestPlace& place,
                                   FlowRecord& record,
                                   TimePoint now);
  [[nodiscard]] std::size_t flows() const override { return records_.size(); }
  bool forget(const FlowKey& flow) override { return records_.erase(flow) != 0; }
  void forget_all(std::uint8_t protocol, const Endpoint& guest) override;

  BindingWriter& writer_;
  NatScope scope_;
  Settings settings_;
  std::unordered_map<FlowKey, FlowRecord, FlowKeyHash> records_;
};

} // namespace slirpstack
