#pragma once

#include "flow/flow_offload.hh"

namespace slirpstack {

/// The offloads of one guest, IPv4's and that of mapped IPv6, as one. It owns neither.
class FamilyOffload final : public FlowOffload
{
public:
  /// `ipv4` is null where the kernel binds by itself, and nobody is asked. Both must outlive this.
  FamilyOffload(FlowOffload* ipv4, FlowOffload& ipv6) : ipv4_(ipv4), ipv6_(ipv6) {}

  [[nodiscard]] bool may_carry(const IpAddress& guest) const override
  {
    const FlowOffload* const one = of(guest);
    return one != nullptr && one->may_carry(guest);
  }
  [[nodiscard]] bool carries(const FlowKey& key) const override
  {
    const FlowOffload* const one = of(key.guest.address);
    return one != nullptr && one->carries(key);
  }
  [[nodiscard]] bool was_carried(const FlowKey& key) const override
  {
    const FlowOffload* const one = of(key.guest.address);
    return one != nullptr && one->was_carried(key);
  }
  void end_former(const FlowKey& key) override;
  [[nodiscard]] std::size_t mtu_towards(const IpAddress& remote) const override
  {
    const FlowOffload* const one = of(remote); // of one family with the guest's address
    return one != nullptr ? one->mtu_towards(remote) : SIZE_MAX;
  }
  [[nodiscard]] OffloadAnswer offer(const FlowOffer& offer,
                                    FlowRecord& record,
                                    TimePoint now) override;
  std::size_t end_if(const std::function<bool(FlowRecord&)>& ends, TimePoint now) override;
  void drop_records() override;
  void for_each(const std::function<void(const FlowKey&, const FlowRecord&)>& visit) const override;
  [[nodiscard]] std::size_t size() const override
  {
    return (ipv4_ == nullptr ? 0 : ipv4_->size()) + ipv6_.size();
  }

private:
  [[nodiscard]] FlowOffload* of(const IpAddress& guest) const
  {
    return guest.is_ipv4() ? ipv4_ : &ipv6_;
  }

  FlowOffload* ipv4_;
  FlowOffload& ipv6_;
};

} // namespace slirpstack
