#include "nat_request.hh"

#include "accel/own_addresses.hh"
#include "base/error.hh"
#include "face/accel_flags.hh"
#include "flow/policy.hh"
#include "flow/prefix_map.hh"
#include "flow/published_forward.hh"
#include "guest/interface.hh"
#include "guest/link.hh"
#include "shared_ports.hh"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <linux/magic.h>
#include <optional>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <variant>

namespace slirpstack {

namespace {

static_assert(Config::Acceleration::MAX_RANGES == NAT_MAX_RANGES);

std::vector<AddressRange> external_addresses(const Config::Acceleration& asked)
{
  if (!asked.addresses.empty()) {
    return asked.addresses;
  }
  const AccelFlags flags = accel_flags(asked);
  RouteSocket socket;
  if (!find_interface(socket, asked.external)) {
    throw UsageError(
      fmt::format("invalid value \"{}\" for flag {}: there is no interface of that name",
                  asked.external,
                  flags.external));
  }
  const std::vector<IpAddress> own = own_addresses(asked.external);
  if (own.empty()) {
    throw UsageError(fmt::format("invalid value \"{}\" for flag {}: it has no IPv4 address, so {} "
                                 "has to name those that are routed to it",
                                 asked.external,
                                 flags.external,
                                 flags.addresses));
  }
  return {{own.front(), own.front()}};
}

/// Which of them are the host's own.
std::vector<IpAddress> own_among(const std::vector<AddressRange>& ranges)
{
  std::vector<IpAddress> found = own_addresses();
  std::erase_if(found, [&](const IpAddress& own) {
    return std::ranges::none_of(ranges,
                                [&](const AddressRange& range) { return range.contains(own); });
  });
  return found;
}

PortRange external_ports(const Config& config, const std::vector<IpAddress>& own)
{
  const std::optional<PortRange>& typed = config.acceleration.ports;
  if (typed && !own.empty()) {
    warn_of_shared_ports(*typed, own);
  }
  if (typed || own.empty()) {
    return typed.value_or(ALL_PORTS);
  }
  return shared_ports(config.action == Config::Action::translate ? "-port-min and -port-max are"
                                                                 : "-external-ports is");
}

nat_filter filter_of(Config::UdpFilter filter)
{
  switch (filter) {
    case Config::UdpFilter::endpoint:
      return NAT_FILTER_ENDPOINT;
    case Config::UdpFilter::address:
      return NAT_FILTER_ADDRESS;
    case Config::UdpFilter::port:
      break;
  }
  return NAT_FILTER_PORT;
}

/// The router as those behind the internal interface know it.
void read_internal_interface(const std::string& name, NatPlan& plan)
{
  RouteSocket socket;
  const auto interface = find_interface(socket, name);
  if (!interface) {
    throw UsageError(
      fmt::format("invalid value \"{}\" for flag -i: there is no interface of that name", name));
  }
  const std::vector<IpAddress> own = own_addresses(name);
  plan.gateway = own.empty() ? IpAddress() : own.front();
  plan.gateway_mac = interface->mac;
}

NatPlan plan_of(const Config& config)
{
  const Config::Acceleration& asked = config.acceleration;
  NatPlan plan;
  plan.external = external_addresses(asked);
  plan.internal = asked.internal;
  plan.own = own_among(plan.external);
  plan.pool_is_local = !plan.own.empty();
  plan.ports = external_ports(config, plan.own);
  plan.block_ports = asked.block_ports;
  plan.quota = asked.quota;
  plan.filter_tcp = filter_of(asked.tcp_filter);
  plan.filter_udp = plan.filter_icmp = filter_of(config.egress.udp_filter);
  plan.kernel_allocates = asked.kernel_allocates;
  plan.inbound_refreshes = config.timeouts.inbound_refreshes;
  plan.quarantine = asked.quarantine;
  plan.quarantine_ports = asked.quarantine_ports;
  if (config.action == Config::Action::translate) {
    read_internal_interface(asked.internal_interface, plan);
  } else {
    plan.has_zones = plan.has_veths = true;
    plan.gateway = config.network.gateway(Family::ipv4);
    plan.gateway_mac = Link::Device{}.our_mac;
  }
  return plan;
}

/// At an address of the host's own a socket listens, and the kernel would send its answers from
/// another port.
void check_udp_forwards(const NatPlan& plan, const Config::Forwarding& forwarding)
{
  for (const ForwardSpec& spec : forwarding.local) {
    if (plan.kernel_allocates && plan.pool_is_local
        && scheme_protocol(spec.scheme) == PROTOCOL_UDP) {
      throw UsageError(
        fmt::format("-L {} cannot be used with -xdp-alloc=kernel: that address is the "
                    "host's own, and the kernel would send the guest's answers from "
                    "another port",
                    spec.text));
    }
  }
}

/// A forward comes before what the router itself has at that port.
void warn_of_own_ports(const NatPlan& plan, const std::vector<ForwardSpec>& forwards)
{
  for (const ForwardSpec& spec : forwards) {
    const IpAddress address
      = published_ports(spec, {plan.external, plan.internal}).front().external.address;
    if (std::ranges::find(plan.own, address) != plan.own.end()) {
      warn_of_shared_ports(spec.bound_ports(), {address});
    }
  }
}

void check_blocks(const NatPlan& plan)
{
  if (plan.kernel_allocates && plan.block_ports != 0
      && port_blocks(plan) < internal_addresses(plan)) {
    throw UsageError(
      fmt::format("-port-block {} leaves blocks for {} internal addresses, and there are {}",
                  plan.block_ports,
                  port_blocks(plan),
                  internal_addresses(plan)));
  }
}

/// Never translated: what no guest may reach, what `-no-nat` names, the guests' own network, and
/// what stands for something else (`-R`, IPv4 in IPv6).
std::vector<Prefix> closed_to_guests(const Config& config)
{
  std::vector<Prefix> closed = closed_networks(Family::ipv4);
  for (const std::vector<Prefix>& more :
       {closed_networks(Family::ipv6), embedding_networks(), config.acceleration.exempt}) {
    closed.insert(closed.end(), more.begin(), more.end());
  }
  closed.push_back(config.network.cidr6);
  for (const ForwardSpec& spec : config.forwarding.remote) {
    const auto* const place = std::get_if<ForwardSpec::Place>(&spec.bind);
    const auto* const address = place == nullptr ? nullptr : std::get_if<IpAddress>(&place->host);
    if (address != nullptr) {
      closed.emplace_back(*address, address->is_ipv4() ? 32 : 128);
    }
  }
  return closed;
}

/// The folder, made if need be.
std::string pin_folder(const std::string& path)
{
  if (::mkdir(path.c_str(), 0700) < 0 && errno != EEXIST) {
    throw UsageError(
      fmt::format("invalid value \"{}\" for flag -pin: {}", path, last_error().message()));
  }
  struct statfs system = {};
  if (::statfs(path.c_str(), &system) < 0
      || static_cast<std::uint32_t>(system.f_type) != BPF_FS_MAGIC) {
    throw UsageError(
      fmt::format("invalid value \"{}\" for flag -pin: must be a folder in a BPF file "
                  "system, such as /sys/fs/bpf/slirpstack",
                  path));
  }
  return path;
}

/// An internal and an external prefix for each mapping that each guest may have.
std::uint32_t prefix_entries(const Config& config)
{
  return static_cast<std::uint32_t>(2 * PrefixMap::MAX_MAPPINGS
                                    * (1 + config.attach.further_netns.size()));
}

} // namespace

RunningNat::Settings nat_request(const Config& config)
{
  const Config::Acceleration& asked = config.acceleration;
  const Config::Timeouts& timeouts = config.timeouts;
  RunningNat::Settings settings;
  settings.plan = plan_of(config);
  check_blocks(settings.plan);
  settings.sizes = {.bindings = asked.max_bindings,
                    .sessions = 2 * asked.max_bindings,
                    .subscribers = asked.max_bindings,
                    .prefixes = prefix_entries(config)};
  settings.pin_folder = asked.pin_folder ? pin_folder(*asked.pin_folder) : std::string();
  settings.timeouts = {.udp = timeouts.udp,
                       .tcp_established = timeouts.tcp_established,
                       .tcp_opening = timeouts.tcp_opening,
                       .tcp_closing = timeouts.tcp_closing,
                       .icmp = timeouts.ping,
                       .quarantine = asked.quarantine,
                       .quarantine_ports = asked.quarantine_ports};
  settings.external = asked.external;
  settings.external_flag = accel_flags(asked).external;
  settings.internal = asked.internal_interface;
  settings.follows_address = asked.addresses.empty();
  if (config.action
      == Config::Action::translate) { // a router between two, whose guests go anywhere
    settings.ways = {.allows_attached = true, .closed = asked.exempt};
    settings.forwards = config.forwarding.local;
    warn_of_own_ports(settings.plan, settings.forwards);
  } else {
    check_udp_forwards(settings.plan, config.forwarding);
    settings.ways
      = {.allows_attached = config.egress.enable_host, .closed = closed_to_guests(config)};
  }
  settings.logs_bindings = asked.log_bindings;
  settings.is_shared = !config.attach.further_netns.empty();
  return settings;
}

} // namespace slirpstack
