#include "accel/mapped_offload.hh"

#include "accel/frame_sender.hh"
#include "accel/nat_endpoints.hh"
#include "base/log.hh"
#include "wire/ip.hh"

#include <algorithm>
#include <system_error>
#include <utility>
#include <vector>

namespace slirpstack {

namespace {

constexpr std::size_t FIRST_BUCKETS = 16;

} // namespace

MappedOffload::MappedOffload(PrefixMirror& prefixes,
                             MappedFlows& flows,
                             const NatObject& object,
                             const Settings& settings,
                             const HashSecret& secret)
  : prefixes_(prefixes)
  , flows_(flows)
  , routes_(object.map("routes6"))
  , settings_(settings)
  , carried_(FIRST_BUCKETS, FlowKeyHash(secret))
{
  flows_.attach(settings_.guest.zone, [this](const FlowKey& key) { carried_.erase(key); });
}

template<typename Ends>
std::size_t MappedOffload::end_those(Ends ends)
{
  std::vector<FlowKey> ended;
  for (auto& [key, carried] : carried_) {
    if (ends(key, carried)) {
      ended.push_back(key);
      flows_.erase(mapped_key(key, carried.external));
    }
  }
  for (const FlowKey& key : ended) {
    carried_.erase(key);
  }
  return ended.size();
}

MappedOffload::~MappedOffload()
{
  if (!settings_.keeps_flows) {
    forget();
  } else if (!is_gone_) {
    flows_.detach(settings_.guest.zone);
  }
}

void MappedOffload::forget()
{
  if (std::exchange(is_gone_, true)) {
    return; // the zone may be somebody else's by now
  }
  end_those([](const FlowKey&, const Carried&) { return true; });
  flows_.end_former_unless(settings_.guest.zone, [](const auto&, const auto&) { return false; });
  prefixes_.clear(settings_.guest.zone);
  flows_.detach(settings_.guest.zone);
  is_mirrored_ = false;
}

void MappedOffload::set_mappings(const PrefixMap& map)
{
  if (is_gone_) {
    return;
  }
  is_mirrored_ = prefixes_.set({settings_.guest, settings_.mtu_bytes}, map) && !map.empty();
  end_those([&](const FlowKey& key, const Carried& carried) {
    const Translation now = map.to_external(key.guest.address);
    return !is_mirrored_ || now.address != carried.external || now.mapping->open;
  });
  flows_.end_former_unless(settings_.guest.zone,
                           [&](const FlowKey& key, const IpAddress& external) {
                             const Translation now = map.to_external(key.guest.address);
                             return is_mirrored_ && now.address == external && !now.mapping->open;
                           });
}

bool MappedOffload::has_way(const IpAddress& remote)
{
  nat_route6_key to{};
  to.prefix_length = 128;
  std::ranges::copy(remote.bytes(), std::begin(to.address));
  const auto way = routes_.find(to);
  if (!way || way->ifindex == 0) {
    return false;
  }
  // Nobody here tells the guest of an MTU on the way that it does not know.
  if (way->mtu < settings_.mtu_bytes) {
    if (!std::exchange(told_of_mtu_, true)) {
      log(LogLevel::warning,
          "mapped flows go through the user-mode stack: the way has a lower MTU than the guest",
          {{"remote", remote.to_string()}, {"mtu", way->mtu}, {"guest_mtu", settings_.mtu_bytes}});
    }
    return false;
  }
  return true;
}

/// A former flow that is not taken again is the user-mode stack's, with all that comes in.
OffloadAnswer MappedOffload::offer(const FlowOffer& offer, FlowRecord& record, TimePoint now)
{
  const FlowKey key = offer.key;
  const OffloadAnswer answer = take(offer, record, now);
  if (answer != OffloadAnswer::taken) {
    end_former(key);
  }
  return answer;
}

OffloadAnswer MappedOffload::take(const FlowOffer& offer, FlowRecord& record, TimePoint now)
{
  const FlowKey& key = offer.key;
  const auto mac = sender_of(offer.packet);
  if (!is_mirrored_ || !offer.source || !mac
      || (key.protocol == PROTOCOL_UDP && !settings_.carries_udp) || !has_way(key.remote.address)) {
    return OffloadAnswer::declined;
  }
  nat_mapped flow{};
  flow.last = kernel_time(now);
  flow.ifindex = settings_.guest.ifindex;
  flow.zone = settings_.guest.zone;
  std::ranges::copy(key.guest.address.bytes(), std::begin(flow.internal));
  std::ranges::copy(mac->bytes, std::begin(flow.guest_mac));
  try {
    if (!flows_.add(mapped_key(key, *offer.source), flow, carried_.size())) {
      if (!std::exchange(told_of_room_, true)) {
        log(LogLevel::warning,
            "mapped flows go through the user-mode stack: the accelerator has no room for them",
            {{"flow", key.to_string()}});
      }
      return OffloadAnswer::declined;
    }
  } catch (const std::system_error& error) {
    log(LogLevel::warning,
        "a flow cannot be handed to the kernel",
        {{"flow", key.to_string()}, {"reason", error.what()}});
    return OffloadAnswer::declined;
  }
  carried_.emplace(key, Carried{std::move(record), *offer.source});
  return OffloadAnswer::taken;
}

std::size_t MappedOffload::end_if(const std::function<bool(FlowRecord&)>& ends, TimePoint /*now*/)
{
  return end_those([&](const FlowKey&, Carried& carried) { return ends(carried.record); });
}

void MappedOffload::drop_records()
{
  if (settings_.keeps_flows) {
    carried_.clear();
  } else {
    end_those([](const FlowKey&, const Carried&) { return true; });
  }
}

void MappedOffload::for_each(
  const std::function<void(const FlowKey&, const FlowRecord&)>& visit) const
{
  for (const auto& [key, carried] : carried_) {
    visit(key, carried.record);
  }
}

} // namespace slirpstack
