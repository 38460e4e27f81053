#include "accel/binding_log.hh"

#include "base/log.hh"
#include "wire/protocol_name.hh"

#include <arpa/inet.h>

namespace slirpstack {

namespace {

/// RFC 7422: which ports an address has for itself.
PortRange block_of(const NatPlan& plan, std::uint16_t port)
{
  const unsigned number = (port - plan.ports.first) / plan.block_ports;
  const unsigned first = plan.ports.first + number * plan.block_ports;
  return {static_cast<std::uint16_t>(first),
          static_cast<std::uint16_t>(first + plan.block_ports - 1)};
}

void log_endpoints(const char* event, const nat_endpoint& internal, const nat_endpoint& external)
{
  const unsigned zone = internal.zone;
  log_record(event,
             {{"protocol", protocol_name(internal.protocol)},
              {"internal", endpoint_of(internal).to_string()},
              {"zone", zone},
              {"external", endpoint_of(external).to_string()}});
}

} // namespace

void BindingLog::bound(const nat_endpoint& internal, const nat_endpoint& external)
{
  if (!is_kept_ || (!plan_.kernel_allocates && plan_.block_ports != 0)) {
    return; // or the pool tells of its blocks
  }
  if (plan_.block_ports == 0) {
    log_endpoints("bound", internal, external);
    return;
  }
  const unsigned zone = internal.zone;
  const std::uint64_t subscriber = (std::uint64_t{zone} << 32U) | internal.address;
  if (logged_blocks_.insert(subscriber).second) {
    log_record("ports of a subscriber",
               {{"internal", address_of(internal.address).to_string()},
                {"zone", zone},
                {"external", address_of(external.address).to_string()},
                {"ports", block_of(plan_, ntohs(external.port)).to_string()}});
  }
}

void BindingLog::block(const PortBlock& block, bool is_assigned)
{
  const unsigned zone = block.zone;
  log_record(is_assigned ? "ports of a subscriber" : "ports no longer of a subscriber",
             {{"internal", block.internal.to_string()},
              {"zone", zone},
              {"external", block.external.to_string()},
              {"ports", PortRange{block.first, block.last}.to_string()}});
}

void BindingLog::ended(const nat_endpoint& internal, const nat_endpoint& external) const
{
  if (is_kept_ && plan_.block_ports == 0) {
    log_endpoints("unbound", internal, external);
  }
}

void BindingLog::forwarded(const nat_endpoint& internal,
                           const nat_endpoint& external,
                           bool is_bound) const
{
  if (is_kept_) {
    log_endpoints(is_bound ? "bound" : "unbound", internal, external);
  }
}

} // namespace slirpstack
