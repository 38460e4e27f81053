#include "flow/port_pool.hh"

#include "flow/fair_share.hh"
#include "wire/ip.hh"

#include <algorithm>
#include <array>
#include <cassert>
#include <functional>

namespace slirpstack {

PortPool::PortPool(const std::vector<IpAddress>& addresses,
                   const Options& options,
                   const HashSecret& secret)
  : options_(options), secret_(secret)
{
  assert(!addresses.empty() && options.first_port <= options.last_port);
  const std::size_t ports = std::size_t{options.last_port} - options.first_port + 1;
  const std::size_t blocks = options.block_ports == 0 ? 0 : ports / options.block_ports;
  std::vector<IpAddress> sorted = addresses;
  std::ranges::sort(sorted); // find() relies on it
  for (const IpAddress& address : sorted) {
    externals_.emplace_back(address, blocks);
  }
}

std::variant<Endpoint, PortRefusal> PortPool::take(const Endpoint& internal,
                                                   std::uint8_t protocol,
                                                   TimePoint now,
                                                   std::uint8_t zone)
{
  release_due(now);
  const SubscriberKey key{internal.address, zone};
  const bool is_new = !subscribers_.contains(key);
  Subscriber& subscriber = subscriber_of(key);
  if (options_.quota != 0 && subscriber.ports >= options_.quota) {
    return PortRefusal::quota;
  }
  if (options_.is_shared && !has_share(subscriber, zone, protocol)) {
    if (is_new) {
      subscribers_.erase(key);
    }
    return PortRefusal::exhausted;
  }
  auto taken = options_.block_ports != 0
                 ? take_in_blocks(key, subscriber, protocol)
                 : take_from(subscriber, range_for(internal, protocol), protocol, zone);
  if (std::holds_alternative<Endpoint>(taken)) {
    ++subscriber.ports;
  } else if (is_new) {
    subscribers_.erase(key);
  }
  return taken;
}

bool PortPool::adopt(const Endpoint& internal,
                     const Endpoint& external,
                     std::uint8_t protocol,
                     std::uint8_t zone)
{
  const auto place = find(external.address);
  if (!place || externals_[*place].is_taken(external.port, protocol)) {
    return false;
  }
  const SubscriberKey key{internal.address, zone};
  const bool is_new = !subscribers_.contains(key);
  Subscriber& subscriber = subscriber_of(key);
  if (is_new) {
    subscriber.external = *place;
  }
  if (subscriber.external != *place
      || (options_.block_ports != 0 && !adopt_block(key, subscriber, external.port))) {
    if (is_new) {
      subscribers_.erase(key);
    }
    return false;
  }
  externals_[*place].take(external.port, protocol, zone);
  ++subscriber.ports;
  return true;
}

bool PortPool::reserve(const Endpoint& external, std::uint8_t protocol)
{
  const auto place = find(external.address);
  if (!place) {
    return false;
  }
  ExternalPorts& ports = externals_[*place];
  if (ports.is_taken(external.port, protocol) && !wake(*place, external.port, protocol)) {
    return false;
  }
  ports.take(external.port, protocol, std::nullopt);
  return true;
}

void PortPool::release(const Endpoint& external, std::uint8_t protocol, TimePoint now)
{
  if (const auto place = find(external.address)) {
    quarantine_.push_back({now + options_.quarantine, *place, external.port, protocol, {}});
  }
}

void PortPool::give_back(const Endpoint& internal,
                         const Endpoint& external,
                         std::uint8_t protocol,
                         TimePoint now,
                         std::uint8_t zone)
{
  const auto found = subscribers_.find({internal.address, zone});
  if (found == subscribers_.end()
      || externals_[found->second.external].address() != external.address) {
    return;
  }
  Subscriber& subscriber = found->second;
  quarantine_.push_back(
    {now + options_.quarantine, subscriber.external, external.port, protocol, zone});
  if (--subscriber.ports == 0) {
    free_blocks(found->first, subscriber);
    subscribers_.erase(found);
  }
}

std::size_t PortPool::ports_of(const IpAddress& internal, std::uint8_t zone) const
{
  const auto found = subscribers_.find({internal, zone});
  return found == subscribers_.end() ? 0 : found->second.ports;
}

std::uint64_t PortPool::random()
{
  std::array<std::uint8_t, sizeof(std::uint64_t)> counter{};
  Writer(counter).write(++draws_);
  return siphash(secret_, counter);
}

void PortPool::release_due(TimePoint now)
{
  const auto is_due = [&] {
    const bool is_one_too_many
      = options_.quarantine_ports != 0 && quarantine_.size() > options_.quarantine_ports;
    return !quarantine_.empty() && (is_one_too_many || quarantine_.front().until <= now);
  };
  while (is_due()) {
    set_free(quarantine_.front());
    quarantine_.pop_front();
  }
}

void PortPool::set_free(const Quarantined& rested)
{
  externals_[rested.external].free(rested.port, rested.protocol, rested.zone);
}

bool PortPool::wake(std::size_t external, std::uint16_t port, std::uint8_t protocol)
{
  const auto resting = std::ranges::find_if(quarantine_, [&](const Quarantined& each) {
    return each.external == external && each.port == port && each.protocol == protocol;
  });
  if (resting == quarantine_.end()) {
    return false;
  }
  set_free(*resting);
  quarantine_.erase(resting);
  return true;
}

std::optional<std::size_t> PortPool::find(const IpAddress& address) const
{
  const auto found
    = std::ranges::lower_bound(externals_, address, std::less(), &ExternalPorts::address);
  return found == externals_.end() || found->address() != address
           ? std::nullopt
           : std::optional<std::size_t>(found - externals_.begin());
}

PortPool::Subscriber& PortPool::subscriber_of(const SubscriberKey& internal)
{
  const auto [place, is_new] = subscribers_.try_emplace(internal);
  if (is_new) {
    // By its address: one that comes back is seen under the same external one as before.
    std::array<std::uint8_t, 17> bytes{}; // the longest address, and its zone
    Writer writer(bytes);
    writer.bytes(internal.address.bytes());
    writer.u8(internal.zone);
    place->second.external
      = siphash(secret_, ByteView(bytes).first(writer.written())) % externals_.size();
  }
  return place->second;
}

bool PortPool::has_share(const Subscriber& subscriber,
                         std::uint8_t zone,
                         std::uint8_t protocol) const
{
  constexpr std::size_t IDENTIFIERS = 65536;
  const bool has_low_ports = options_.has_low_ports && options_.block_ports == 0;
  const std::size_t ports = options_.last_port - std::size_t{options_.first_port} + 1
                            + (has_low_ports ? RESERVED_PORTS - 1 : 0);
  return externals_[subscriber.external].has_share(
    zone, protocol, protocol == PROTOCOL_ICMP ? IDENTIFIERS : ports);
}

PortSpan PortPool::range_for(const Endpoint& internal, std::uint8_t protocol) const
{
  if (protocol == PROTOCOL_ICMP) {
    return {0, 65536};
  }
  if (internal.port < RESERVED_PORTS && options_.has_low_ports) {
    return {1, RESERVED_PORTS - 1U};
  }
  return {options_.first_port, options_.last_port - std::uint32_t{options_.first_port} + 1};
}

PortSpan PortPool::block_range(std::size_t block) const
{
  return {static_cast<std::uint32_t>(options_.first_port + block * options_.block_ports),
          options_.block_ports};
}

std::variant<Endpoint, PortRefusal> PortPool::take_from(const Subscriber& subscriber,
                                                        PortSpan span,
                                                        std::uint8_t protocol,
                                                        std::uint8_t zone)
{
  ExternalPorts& external = externals_[subscriber.external];
  const auto start = static_cast<std::uint32_t>(random() % span.count);
  const auto port = external.take_from(span, start, protocol, zone);
  if (!port) {
    return PortRefusal::exhausted;
  }
  return Endpoint{external.address(), *port};
}

std::variant<Endpoint, PortRefusal> PortPool::take_in_blocks(const SubscriberKey& internal,
                                                             Subscriber& subscriber,
                                                             std::uint8_t protocol)
{
  std::size_t tried = 0;
  do {
    for (; tried < subscriber.blocks.size(); ++tried) {
      const auto taken
        = take_from(subscriber, block_range(subscriber.blocks[tried]), protocol, internal.zone);
      if (std::holds_alternative<Endpoint>(taken)) {
        return taken;
      }
    }
  } while (assign_block(internal, subscriber));
  return PortRefusal::exhausted;
}

bool PortPool::has_block_share(std::uint8_t zone, std::size_t external)
{
  const std::vector<bool>& blocks = externals_[external].blocks();
  std::size_t own = 0;
  for (const auto& [key, subscriber] : subscribers_) {
    own += key.zone == zone && subscriber.external == external ? subscriber.blocks.size() : 0;
  }
  const auto taken = static_cast<std::size_t>(std::ranges::count(blocks, true));
  return may_have_one_more(own, taken, blocks.size());
}

bool PortPool::assign_block(const SubscriberKey& internal, Subscriber& subscriber)
{
  if (options_.is_shared && !has_block_share(internal.zone, subscriber.external)) {
    return false;
  }
  std::vector<bool>& blocks = externals_[subscriber.external].blocks();
  const std::size_t start = blocks.empty() ? 0 : random() % blocks.size();
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const std::size_t block = (start + i) % blocks.size();
    if (!blocks[block]) {
      blocks[block] = true;
      subscriber.blocks.push_back(block);
      log_block(internal, subscriber.external, block, true);
      return true;
    }
  }
  return false;
}

bool PortPool::adopt_block(const SubscriberKey& internal,
                           Subscriber& subscriber,
                           std::uint16_t port)
{
  std::vector<bool>& blocks = externals_[subscriber.external].blocks();
  const std::size_t block = (std::size_t{port} - options_.first_port) / options_.block_ports;
  if (port < options_.first_port || block >= blocks.size()) {
    return false;
  }
  if (std::ranges::find(subscriber.blocks, block) != subscriber.blocks.end()) {
    return true;
  }
  if (blocks[block]) {
    return false;
  }
  blocks[block] = true;
  subscriber.blocks.push_back(block);
  log_block(internal, subscriber.external, block, true);
  return true;
}

void PortPool::free_blocks(const SubscriberKey& internal, const Subscriber& subscriber)
{
  for (const std::size_t block : subscriber.blocks) {
    externals_[subscriber.external].blocks()[block] = false;
    log_block(internal, subscriber.external, block, false);
  }
}

void PortPool::log_block(const SubscriberKey& internal,
                         std::size_t external,
                         std::size_t block,
                         bool is_assigned) const
{
  if (block_log_) {
    const PortSpan range = block_range(block);
    block_log_({.internal = internal.address,
                .external = externals_[external].address(),
                .first = static_cast<std::uint16_t>(range.first),
                .last = static_cast<std::uint16_t>(range.first + range.count - 1),
                .zone = internal.zone},
               is_assigned);
  }
}

} // namespace slirpstack
