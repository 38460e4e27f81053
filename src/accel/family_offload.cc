#include "accel/family_offload.hh"

namespace slirpstack {

void FamilyOffload::end_former(const FlowKey& key)
{
  if (FlowOffload* const one = of(key.guest.address)) {
    one->end_former(key);
  }
}

OffloadAnswer FamilyOffload::offer(const FlowOffer& offer, FlowRecord& record, TimePoint now)
{
  FlowOffload* const one = of(offer.key.guest.address);
  return one == nullptr ? OffloadAnswer::declined : one->offer(offer, record, now);
}

std::size_t FamilyOffload::end_if(const std::function<bool(FlowRecord&)>& ends, TimePoint now)
{
  return (ipv4_ == nullptr ? 0 : ipv4_->end_if(ends, now)) + ipv6_.end_if(ends, now);
}

void FamilyOffload::drop_records()
{
  if (ipv4_ != nullptr) {
    ipv4_->drop_records();
  }
  ipv6_.drop_records();
}

void FamilyOffload::for_each(
  const std::function<void(const FlowKey&, const FlowRecord&)>& visit) const
{
  if (ipv4_ != nullptr) {
    ipv4_->for_each(visit);
  }
  ipv6_.for_each(visit);
}

} // namespace slirpstack
