#include "flow/port_pool.hh"

#include "wire/ip.hh"

#include <algorithm>
#include <array>
#include <cassert>

namespace slirpstack {

PortPool::PortPool(const std::vector<IpAddress>& addresses,
                   const Options& options,
                   const HashSecret& secret)
  : options_(options), secret_(secret)
{
  assert(!addresses.empty() && options.first_port <= options.last_port);
  const std::size_t ports = std::size_t{options.last_port} - options.first_port + 1;
  const std::size_t blocks = options.block_ports == 0 ? 0 : ports / options.block_ports;
  for (const IpAddress& address : addresses) {
    externals_.push_back({address, {}, std::vector<bool>(blocks)});
  }
}

std::variant<Endpoint, PortRefusal> PortPool::take(const Endpoint& internal,
                                                   std::uint8_t protocol,
                                                   TimePoint now)
{
  release_due(now);
  const bool is_new = !subscribers_.contains(internal.address);
  Subscriber& subscriber = subscriber_of(internal.address);
  if (options_.quota != 0 && subscriber.ports >= options_.quota) {
    return PortRefusal::quota;
  }
  auto taken
    = options_.block_ports != 0
        ? take_in_blocks(internal.address, subscriber, protocol)
        : take_from(externals_[subscriber.external], range_for(internal, protocol), protocol);
  if (std::holds_alternative<Endpoint>(taken)) {
    ++subscriber.ports;
  } else if (is_new) {
    subscribers_.erase(internal.address);
  }
  return taken;
}

bool PortPool::reserve(const Endpoint& external, std::uint8_t protocol)
{
  External* const owner = find(external.address);
  if (owner == nullptr || owner->used[protocol].test(external.port)) {
    return false;
  }
  owner->used[protocol].set(external.port);
  return true;
}

void PortPool::give_back(const Endpoint& internal,
                         const Endpoint& external,
                         std::uint8_t protocol,
                         TimePoint now)
{
  const auto found = subscribers_.find(internal.address);
  if (found == subscribers_.end()
      || externals_[found->second.external].address != external.address) {
    return;
  }
  Subscriber& subscriber = found->second;
  quarantine_.push_back({now + QUARANTINE, subscriber.external, external.port, protocol});
  if (--subscriber.ports == 0) {
    free_blocks(internal.address, subscriber);
    subscribers_.erase(found);
  }
}

std::size_t PortPool::ports_of(const IpAddress& internal) const
{
  const auto found = subscribers_.find(internal);
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
  while (!quarantine_.empty() && quarantine_.front().until <= now) {
    const Quarantined& due = quarantine_.front();
    externals_[due.external].used[due.protocol].reset(due.port);
    quarantine_.pop_front();
  }
}

PortPool::External* PortPool::find(const IpAddress& address)
{
  const auto found = std::ranges::find(externals_, address, &External::address);
  return found == externals_.end() ? nullptr : &*found;
}

PortPool::Subscriber& PortPool::subscriber_of(const IpAddress& internal)
{
  const auto [place, is_new] = subscribers_.try_emplace(internal);
  if (is_new) {
    // By its address: one that comes back is seen under the same external one as before.
    place->second.external = siphash(secret_, internal.bytes()) % externals_.size();
  }
  return place->second;
}

PortPool::Range PortPool::range_for(const Endpoint& internal, std::uint8_t protocol) const
{
  if (protocol == PROTOCOL_ICMP) {
    return {0, 65536};
  }
  if (internal.port < RESERVED_PORTS) {
    return {1, RESERVED_PORTS - 1U};
  }
  return {options_.first_port, options_.last_port - std::uint32_t{options_.first_port} + 1};
}

PortPool::Range PortPool::block_range(std::size_t block) const
{
  return {static_cast<std::uint32_t>(options_.first_port + block * options_.block_ports),
          options_.block_ports};
}

std::variant<Endpoint, PortRefusal> PortPool::take_from(External& external,
                                                        Range range,
                                                        std::uint8_t protocol)
{
  Ports& used = external.used[protocol];
  const auto start = static_cast<std::uint32_t>(random() % range.count);
  for (std::uint32_t i = 0; i < range.count; ++i) {
    const std::uint32_t port = range.first + (start + i) % range.count;
    if (!used.test(port)) {
      used.set(port);
      return Endpoint{external.address, static_cast<std::uint16_t>(port)};
    }
  }
  return PortRefusal::exhausted;
}

std::variant<Endpoint, PortRefusal> PortPool::take_in_blocks(const IpAddress& internal,
                                                             Subscriber& subscriber,
                                                             std::uint8_t protocol)
{
  std::size_t tried = 0;
  do {
    for (; tried < subscriber.blocks.size(); ++tried) {
      const auto taken = take_from(
        externals_[subscriber.external], block_range(subscriber.blocks[tried]), protocol);
      if (std::holds_alternative<Endpoint>(taken)) {
        return taken;
      }
    }
  } while (assign_block(internal, subscriber));
  return PortRefusal::exhausted;
}

bool PortPool::assign_block(const IpAddress& internal, Subscriber& subscriber)
{
  std::vector<bool>& blocks = externals_[subscriber.external].blocks;
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

void PortPool::free_blocks(const IpAddress& internal, const Subscriber& subscriber)
{
  for (const std::size_t block : subscriber.blocks) {
    externals_[subscriber.external].blocks[block] = false;
    log_block(internal, subscriber.external, block, false);
  }
}

void PortPool::log_block(const IpAddress& internal,
                         std::size_t external,
                         std::size_t block,
                         bool is_assigned) const
{
  if (block_log_) {
    const Range range = block_range(block);
    block_log_({internal,
                externals_[external].address,
                static_cast<std::uint16_t>(range.first),
                static_cast<std::uint16_t>(range.first + range.count - 1)},
               is_assigned);
  }
}

} // namespace slirpstack
