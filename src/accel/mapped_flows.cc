#include "accel/mapped_flows.hh"

#include "flow/fair_share.hh"
#include "wire/ip.hh"

#include <algorithm>
#include <arpa/inet.h>
#include <utility>
#include <vector>

namespace slirpstack {

nat_mapped_key mapped_key(const FlowKey& flow, const IpAddress& external)
{
  nat_mapped_key key{};
  std::ranges::copy(external.bytes(), std::begin(key.external));
  std::ranges::copy(flow.remote.address.bytes(), std::begin(key.remote));
  key.port = htons(flow.guest.port);
  key.remote_port = htons(flow.remote.port);
  key.protocol = flow.protocol;
  return key;
}

FlowKey flow_of(const nat_mapped_key& key, const nat_mapped& flow)
{
  return {key.protocol,
          {IpAddress(ByteView(flow.internal)), ntohs(key.port)},
          {IpAddress(ByteView(key.remote)), ntohs(key.remote_port)}};
}

MappedFlows::MappedFlows(const NatObject& object,
                         const NatExpiry::Timeouts& timeouts,
                         const Limits& limits,
                         std::function<void()> on_added)
  : mapped_(object.map("mapped"))
  , timeouts_(timeouts)
  , limits_(limits)
  , on_added_(std::move(on_added))
{
  adopt();
}

void MappedFlows::adopt()
{
  std::vector<std::pair<nat_mapped_key, nat_mapped>> flows;
  mapped_.for_each([&](const auto& key, const auto& flow) { flows.emplace_back(key, flow); });
  for (auto& [key, flow] : flows) {
    flow.flags |= NAT_MAPPED_FORMER;
    mapped_.put(key, flow);
    former_[of_guest(flow.zone, flow_of(key, flow))] = key;
  }
  count_ = flows.size();
}

template<typename Ends>
void MappedFlows::end_formers(Ends ends)
{
  std::erase_if(former_, [&](const auto& entry) {
    if (!ends(entry)) {
      return false;
    }
    erase(entry.second);
    return true;
  });
}

void MappedFlows::end_former(std::uint8_t zone, const FlowKey& flow)
{
  if (const auto former = former_.find(of_guest(zone, flow)); former != former_.end()) {
    erase(former->second);
    former_.erase(former);
  }
}

void MappedFlows::end_former_unless(
  std::uint8_t zone,
  const std::function<bool(const FlowKey&, const IpAddress&)>& leads)
{
  end_formers([&](const auto& entry) {
    return entry.first.zone == zone
           && !leads({entry.first.protocol, entry.first.guest, entry.first.remote},
                     IpAddress(ByteView(entry.second.external)));
  });
}

void MappedFlows::end_adoption()
{
  end_formers([&](const auto& entry) { return !guests_.contains(entry.first.zone); });
  if (count_ > 0) {
    on_added_();
  }
}

bool MappedFlows::add(const nat_mapped_key& key, nat_mapped flow, std::size_t own)
{
  if (former_.erase(of_guest(flow.zone, flow_of(key, flow))) != 0) {
    if (const auto former = mapped_.find(key)) {
      flow.state = former->state;
      mapped_.put(key, flow);
      return true;
    }
  }
  const bool has_room = limits_.is_shared ? may_have_one_more(own, count_, limits_.max_flows)
                                          : count_ < limits_.max_flows;
  if (!has_room || mapped_.try_add(key, flow) != decltype(mapped_)::Added::added) {
    return false;
  }
  ++count_;
  on_added_();
  return true;
}

void MappedFlows::erase(const nat_mapped_key& key)
{
  if (mapped_.erase(key)) {
    --count_;
  }
}

std::chrono::seconds MappedFlows::timeout_of(const nat_mapped_key& key,
                                             const nat_mapped& flow) const
{
  switch (key.protocol) {
    case PROTOCOL_ICMPV6:
      return timeouts_.icmp;
    case PROTOCOL_UDP:
      return timeouts_.udp;
    default:
      return timeouts_.of_connection(flow.state);
  }
}

bool MappedFlows::step(std::chrono::nanoseconds now)
{
  if (count_ == 0) {
    swept_ = {};
    return true;
  }
  auto cursor = std::exchange(swept_, {});
  std::vector<std::pair<nat_mapped_key, nat_mapped>> silent;
  mapped_.visit_some(cursor, [&](const nat_mapped_key& key, const nat_mapped& flow) {
    if (std::chrono::nanoseconds(flow.last) + timeout_of(key, flow) <= now) {
      silent.emplace_back(key, flow);
    }
  });
  for (const auto& [key, flow] : silent) {
    erase(key);
    former_.erase(of_guest(flow.zone, flow_of(key, flow)));
    if (const auto guest = guests_.find(flow.zone); guest != guests_.end()) {
      guest->second(flow_of(key, flow));
    }
  }
  if (cursor.is_at_end()) {
    return true;
  }
  swept_ = cursor;
  return false;
}

std::size_t MappedFlows::sweep(std::chrono::nanoseconds now)
{
  swept_ = {};
  while (!step(now)) {}
  return count_;
}

} // namespace slirpstack
