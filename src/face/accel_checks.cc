#include "base/error.hh"
#include "face/accel_flags.hh"
#include "face/accel_settings.hh"
#include "face/refuse_pair.hh"
#include "wire/ip.hh"

#include <algorithm>
#include <fmt/format.h>
#include <variant>

namespace slirpstack {

namespace {

using Acceleration = Config::Acceleration;

// The largest packet between two veths with XDP: a page less headers and room (3498 here), rounded
// down for kernels that keep more.
constexpr unsigned MAX_XDP_MTU_BYTES = 3400;

/// The addresses outside and those inside must be told apart.
void check_addresses(const Acceleration& asked)
{
  for (const Prefix& network : asked.internal) {
    for (const AddressRange& range : asked.addresses) {
      if (range.overlaps(AddressRange::of(network))) {
        const AccelFlags flags = accel_flags(asked);
        throw UsageError(fmt::format("{} {} lies in {} {}: an address is either outside or inside",
                                     flags.addresses,
                                     range.to_string(),
                                     flags.internal,
                                     network.to_string()));
      }
    }
  }
}

/// Who decides by flow knows each port of each address.
void check_number(const Acceleration& asked)
{
  constexpr std::uint64_t MOST = 65536;
  std::uint64_t addresses = 0;
  for (const AddressRange& range : asked.addresses) {
    addresses += range.size();
  }
  if (!asked.kernel_allocates && addresses > MOST) {
    throw UsageError(fmt::format(
      "-external-address has {} addresses: at most {} without -xdp-alloc=kernel", addresses, MOST));
  }
}

void check_blocks(const Acceleration& asked)
{
  constexpr PortRange ALL{1, 65535};
  const std::size_t ports = asked.ports.value_or(ALL).size();
  if (asked.block_ports > ports) {
    throw UsageError(fmt::format("-port-block {} is larger than {} {}, which has {}",
                                 asked.block_ports,
                                 accel_flags(asked).ports,
                                 asked.ports->to_string(),
                                 ports));
  }
  if (asked.kernel_allocates && asked.block_ports != 0 && asked.quota > asked.block_ports) {
    throw UsageError(fmt::format("-port-quota {} is more than -port-block {} has for an address",
                                 asked.quota,
                                 asked.block_ports));
  }
}

void check_kernel_decides(const Config& config)
{
  constexpr std::string_view KERNEL = "-xdp-alloc=kernel";
  constexpr std::string_view REASON = "the kernel asks nobody about a flow";
  const Config::Egress& egress = config.egress;
  if (egress.rules_file) {
    refuse_pair("-rules", KERNEL, REASON);
  }
  if (!egress.allow.empty()) {
    refuse_pair("-allow", KERNEL, REASON);
  }
  if (!egress.deny.empty()) {
    refuse_pair("-deny", KERNEL, REASON);
  }
  if (egress.disable_routing) {
    refuse_pair("-disable-routing", KERNEL, REASON);
  }
}

/// Whether the NAT publishes it, with no socket between, unless those addresses are the host's own.
bool is_at_external_address(const ForwardSpec& spec, const std::vector<AddressRange>& external)
{
  const auto* const place = std::get_if<ForwardSpec::Place>(&spec.bind);
  const auto* const address = place == nullptr ? nullptr : std::get_if<IpAddress>(&place->host);
  return address != nullptr && std::ranges::any_of(external, [&](const AddressRange& range) {
           return range.contains(*address);
         });
}

/// What a forward carries must not pass the NAT instead: it would come from somewhere else.
void check_kernel_forwards(const Config& config)
{
  const Config::Forwarding& forwarding = config.forwarding;
  for (const ForwardSpec& spec : forwarding.local) {
    if (scheme_protocol(spec.scheme) == PROTOCOL_UDP
        && !is_at_external_address(spec, config.acceleration.addresses)) {
      refuse_pair(fmt::format("-L {}", spec.text),
                  "-xdp-alloc=kernel",
                  "the kernel would send the guest's answers from another port");
    }
  }
  for (const ForwardSpec& spec : forwarding.remote) {
    const auto* const place = std::get_if<ForwardSpec::Place>(&spec.bind);
    if (place != nullptr && std::holds_alternative<HostName>(place->host)) {
      refuse_pair(fmt::format("-R {}", spec.text),
                  "-xdp-alloc=kernel",
                  "the kernel has to know its address, so give that and no name");
    }
  }
}

void check_guest(const Config& config)
{
  constexpr std::string_view REASON = "the accelerator makes the guest's interface in a namespace";
  if (config.action == Config::Action::run) {
    refuse_pair("-accel", "run", "name a namespace with -netns, or a process");
  }
  if (config.attach.fd) {
    refuse_pair("-accel", "-fd", REASON);
  }
  if (!config.attach.netns && !config.attach.pid) {
    throw UsageError("-accel needs -netns or a process id: the guest to be served");
  }
  const auto& internal = config.acceleration.internal;
  if (std::ranges::none_of(internal, [&](const Prefix& network) {
        return network.contains(config.network.guest(Family::ipv4));
      })) {
    throw UsageError(fmt::format("-internal has to contain the guest's address, {} of -cidr",
                                 config.network.guest(Family::ipv4).to_string()));
  }
}

/// What is there once, and could be any guest's.
void check_several(const Config& config)
{
  constexpr std::string_view SEVERAL = "more than one -netns";
  constexpr std::string_view REASON = "it would be any guest's";
  if (!config.forwarding.local.empty()) {
    refuse_pair("-L", SEVERAL, REASON);
  }
  if (!config.mapping.edits.empty() || config.mapping.file) {
    refuse_pair(config.mapping.file ? "-map-file" : "-map", SEVERAL, REASON);
  }
  if (!config.control.restricted.empty()) {
    refuse_pair("-control-restricted", SEVERAL, REASON);
  }
  if (config.control.metrics) {
    refuse_pair("-metrics", SEVERAL, REASON);
  }
  if (config.output.pcap) {
    refuse_pair("-pcap", SEVERAL, REASON);
  }
  if (config.attach.userns) {
    refuse_pair("-userns", SEVERAL, REASON);
  }
  if (config.acceleration.block_ports != 0 && config.acceleration.kernel_allocates) {
    refuse_pair(
      "-port-block",
      SEVERAL,
      "with -xdp-alloc=kernel the block follows from the guest's address, and all of them "
      "have the same; with -xdp-alloc=user each gets blocks as it needs them");
  }
}

} // namespace

void check_acceleration(const Config& config)
{
  if (!config.attach.further_netns.empty()) {
    check_several(config);
  }
  const Acceleration& asked = config.acceleration;
  if (!asked.hook) {
    return;
  }
  if (asked.external.empty()) {
    throw UsageError("-accel needs -external: the interface that leads to the world");
  }
  check_guest(config);
  if (asked.kernel_allocates) {
    check_kernel_decides(config);
    check_kernel_forwards(config);
  }
  if (asked.hook == Acceleration::Hook::xdp && config.network.mtu.value_or(0) > MAX_XDP_MTU_BYTES) {
    throw UsageError(fmt::format("-mtu {} cannot be used with -accel xdp: at most {} go there",
                                 *config.network.mtu,
                                 MAX_XDP_MTU_BYTES));
  }
  check_nat(asked);
}

void check_nat(const Acceleration& asked)
{
  check_addresses(asked);
  check_number(asked);
  check_blocks(asked);
}

} // namespace slirpstack
