#include "accel/guest_offload.hh"

#include "accel/frame_sender.hh"
#include "base/log.hh"
#include "wire/ip.hh"

#include <optional>
#include <system_error>
#include <utility>
#include <vector>

namespace slirpstack {

namespace {

constexpr std::size_t FIRST_BUCKETS = 16;

} // namespace

GuestOffload::GuestOffload(BindingWriter& writer,
                           const NatObject& object,
                           const Settings& settings,
                           const HashSecret& secret)
  : writer_(writer)
  , scope_(object)
  , settings_(settings)
  , records_(FIRST_BUCKETS, FlowKeyHash(secret))
{
  writer_.attach(*this);
}

GuestOffload::~GuestOffload()
{
  drop_records();
}

OffloadAnswer GuestOffload::offer(const FlowOffer& offer, FlowRecord& record, TimePoint now)
{
  const FlowKey& key = offer.key;
  const auto mac
    = offer.packet.is_reassembled ? std::optional(settings_.mac) : sender_of(offer.packet);
  // To the filters a remote's port 0 stands for all of its ports (nat_session_key).
  const bool has_no_port = key.protocol != PROTOCOL_ICMP && key.remote.port == 0;
  if (!mac || has_no_port || !scope_.translates(key.guest.address, key.remote.address)
      || scope_.is_nobodys(key.remote, key.protocol)) {
    return OffloadAnswer::declined;
  }
  try {
    return open(
      key, {.ifindex = settings_.ifindex, .zone = settings_.zone, .mac = *mac}, record, now);
  } catch (const std::system_error& error) {
    // A socket does as well.
    log(LogLevel::warning,
        "a flow cannot be handed to the kernel",
        {{"flow", key.to_string()}, {"reason", error.what()}});
    return OffloadAnswer::declined;
  }
}

OffloadAnswer GuestOffload::open(const FlowKey& key,
                                 const GuestPlace& place,
                                 FlowRecord& record,
                                 TimePoint now)
{
  if (const auto refusal = writer_.open(key, place, *this, now)) {
    if (*refusal == PortRefusal::quota) {
      return OffloadAnswer::quota;
    }
    // All that an endpoint sends has to look the same: not a part of it from a socket.
    return settings_.has_sockets_beside && !writer_.binds(key.guest, key.protocol, place.zone)
             ? OffloadAnswer::declined
             : OffloadAnswer::exhausted;
  }
  records_.emplace(key, std::move(record));
  return OffloadAnswer::taken;
}

std::size_t GuestOffload::end_if(const std::function<bool(FlowRecord&)>& ends, TimePoint now)
{
  std::vector<FlowKey> ended;
  for (auto& [key, record] : records_) {
    if (ends(record)) {
      ended.push_back(key);
    }
  }
  for (const FlowKey& key : ended) {
    writer_.close(key, settings_.zone, now);
    records_.erase(key);
  }
  // What is over has no record to ask policy about.
  writer_.end_released(*this);
  if (!ended.empty()) {
    writer_.advance_generation();
  }
  return ended.size();
}

void GuestOffload::drop_records()
{
  writer_.detach(*this);
  records_.clear();
}

void GuestOffload::for_each(
  const std::function<void(const FlowKey&, const FlowRecord&)>& visit) const
{
  for (const auto& [key, record] : records_) {
    visit(key, record);
  }
}

void GuestOffload::forget_all(std::uint8_t protocol, const Endpoint& guest)
{
  std::erase_if(records_, [&](const auto& entry) {
    return entry.first.protocol == protocol && entry.first.guest == guest;
  });
}

} // namespace slirpstack
