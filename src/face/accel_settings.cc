#include "face/accel_settings.hh"

#include "base/error.hh"
#include "face/words.hh"

#include <algorithm>
#include <array>

namespace slirpstack {

namespace {

using Acceleration = Config::Acceleration;

constexpr std::array<Word<Acceleration::Hook>, 3> HOOKS{{{"xdp", Acceleration::Hook::xdp},
                                                         {"tc", Acceleration::Hook::tc},
                                                         {"auto", Acceleration::Hook::automatic}}};
// Whether the kernel binds.
constexpr std::array<Word<bool>, 2> BINDERS{{{"user", false}, {"kernel", true}}};

constexpr std::array<std::string_view, 14> NEED_ACCEL{"external",
                                                      "external-address",
                                                      "external-ports",
                                                      "internal",
                                                      "no-nat",
                                                      "xdp-alloc",
                                                      "port-block",
                                                      "port-quota",
                                                      "tcp-filter",
                                                      "max-bindings",
                                                      "quarantine",
                                                      "quarantine-ports",
                                                      "log-bindings",
                                                      "pin"};

bool is_of_the_world(const AddressRange& range)
{
  static const std::array<AddressRange, 3> SPECIAL{
    AddressRange::of(Prefix(IpAddress::ipv4(0), 8)),
    AddressRange::of(Prefix(IpAddress::ipv4(0x7f000000), 8)),
    AddressRange::of(Prefix(IpAddress::ipv4(0xe0000000), 3))};
  return std::ranges::none_of(SPECIAL,
                              [&](const AddressRange& each) { return each.overlaps(range); });
}

/// Of what lies between commas.
template<typename Visit>
void for_each_listed(std::string_view text, Visit visit)
{
  for (bool more = true; more;) {
    const std::size_t comma = text.find(',');
    more = comma != std::string_view::npos;
    visit(text.substr(0, comma));
    text.remove_prefix(more ? comma + 1 : text.size());
  }
}

std::chrono::seconds parse_rest(std::string_view text)
{
  const std::chrono::nanoseconds duration = parse_duration(text);
  const auto whole = std::chrono::floor<std::chrono::seconds>(duration);
  if (whole != duration || whole > std::chrono::hours(720)) {
    throw BadValue("must be whole seconds from 0s to 720h");
  }
  return whole;
}

void check_needs(const OptionValues& values)
{
  for (const std::string_view name : NEED_ACCEL) {
    if (values.is_typed(name)) {
      throw UsageError(fmt::format("-{} needs -accel (xdp, tc or auto)", name));
    }
  }
}

} // namespace

PortRange parse_external_ports(std::string_view text)
{
  try {
    const PortRange range = parse_port_range(text);
    if (range.first > 0 && range.first <= range.last) {
      return range;
    }
  } catch (const UsageError&) {} // said better below
  throw BadValue("must be FIRST-LAST, ports from 1 to 65535, such as 1024-65535");
}

std::vector<AddressRange> parse_external_addresses(std::string_view text)
{
  std::vector<AddressRange> ranges;
  try {
    ranges = parse_address_ranges(text);
  } catch (const UsageError& error) {
    throw BadValue(error.what());
  }
  if (ranges.size() > Acceleration::MAX_RANGES) {
    throw BadValue(fmt::format("must be at most {} ranges", Acceleration::MAX_RANGES));
  }
  for (const AddressRange& range : ranges) {
    if (!is_of_the_world(range)) {
      throw BadValue(
        fmt::format("must be ordinary unicast addresses, unlike {}", range.to_string()));
    }
  }
  return ranges;
}

void add_internal_networks(std::string_view text, std::vector<Prefix>& networks)
{
  for_each_listed(text, [&](std::string_view one) {
    const auto network = Prefix::parse(one);
    if (!network || !network->address().is_ipv4() || one.find('/') == std::string_view::npos
        || network->network() != network->address() || network->length_bits() == 0
        || !is_of_the_world(AddressRange::of(*network))) {
      throw BadValue("must be IPv4 networks such as 10.0.0.0/8");
    }
    networks.push_back(*network);
  });
  if (networks.size() > Acceleration::MAX_RANGES) {
    throw BadValue(fmt::format("must be at most {} networks", Acceleration::MAX_RANGES));
  }
}

void add_exempt_networks(std::string_view text, std::vector<Prefix>& networks)
{
  for_each_listed(text, [&](std::string_view one) {
    const auto network = Prefix::parse(one);
    if (!network || !network->address().is_ipv4() || network->network() != network->address()) {
      throw BadValue("must be IPv4 networks or addresses such as 10.8.0.0/16");
    }
    networks.push_back(*network);
  });
  if (networks.size() > Acceleration::MAX_EXEMPT) {
    throw BadValue(fmt::format("must be at most {} networks", Acceleration::MAX_EXEMPT));
  }
}

void apply_accel_options(const OptionValues& values, Config& config)
{
  Acceleration& asked = config.acceleration;
  values.read("accel", [&](std::string_view text) { asked.hook = parse_word(text, HOOKS); });
  if (!asked.hook) {
    check_needs(values);
    return;
  }
  values.read("external", [&](std::string_view text) { asked.external = parse_interface(text); });
  values.read("external-address",
              [&](std::string_view text) { asked.addresses = parse_external_addresses(text); });
  values.read("external-ports",
              [&](std::string_view text) { asked.ports = parse_external_ports(text); });
  values.read_each("internal",
                   [&](std::string_view text) { add_internal_networks(text, asked.internal); });
  values.read_each("no-nat",
                   [&](std::string_view text) { add_exempt_networks(text, asked.exempt); });
  values.read("xdp-alloc",
              [&](std::string_view text) { asked.kernel_allocates = parse_word(text, BINDERS); });
  values.read("port-block", [&](std::string_view text) {
    asked.block_ports = static_cast<unsigned>(parse_number(text, 0, 65535));
  });
  values.read("port-quota", [&](std::string_view text) {
    asked.quota = static_cast<unsigned>(parse_number(text, 0, 10'000'000));
  });
  values.read("tcp-filter",
              [&](std::string_view text) { asked.tcp_filter = parse_word(text, FILTER_WORDS); });
  values.read("max-bindings", [&](std::string_view text) {
    asked.max_bindings = static_cast<unsigned>(parse_number(text, 1, 10'000'000));
  });
  values.read("quarantine", [&](std::string_view text) { asked.quarantine = parse_rest(text); });
  values.read("quarantine-ports", [&](std::string_view text) {
    asked.quarantine_ports = static_cast<unsigned>(parse_number(text, 0, 10'000'000));
  });
  asked.log_bindings = values.is_set("log-bindings");
  values.read("pin", [&](std::string_view text) {
    if (!text.starts_with('/')) {
      throw BadValue("must be the path of a folder in a BPF file system, such as "
                     "/sys/fs/bpf/slirpstack");
    }
    asked.pin_folder = std::string(text);
  });
  if (asked.internal.empty() && config.action != Config::Action::translate) {
    asked.internal.push_back(config.network.cidr);
  }
}

} // namespace slirpstack
