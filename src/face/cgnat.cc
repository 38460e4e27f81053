#include "face/cgnat.hh"

#include "base/error.hh"
#include "base/quoted.hh"
#include "face/accel_settings.hh"
#include "face/go_flags.hh"
#include "face/refuse_pair.hh"
#include "face/settings.hh"
#include "face/values.hh"
#include "flow/published_forward.hh"

#include <array>
#include <fmt/format.h>
#include <optional>
#include <set>
#include <utility>

namespace slirpstack {

namespace {

constexpr std::string_view NAT = "NAT (-e, -i, -E and -I are needed)";
constexpr std::string_view RUNNING = "Running";

constexpr std::array CGNAT_OPTIONS{
  Option{NAT, "external-iface", "NAME", "the interface that leads to the world", "", 'e'},
  Option{NAT, "internal-iface", "NAME", "the interface behind which they are", "", 'i'},
  Option{NAT, "external-addr", "LIST", "outside addresses: A,A-B,NET/LEN", "", 'E'},
  Option{NAT, "internal-subnet", "LIST", "networks that are translated", "", 'I', true},
  Option{NAT, "no-nat", "LIST", "destinations that are not translated", "", '\0', true},
  Option{NAT, "local-forward", "SPEC", "[PROTO://]EXTERNAL:PORT:INTERNAL:PORT", "", 'L', true},
  Option{NAT, "port-min", "N", "least external port (1024)"},
  Option{NAT, "port-max", "N", "greatest external port (65535)"},
  Option{NAT, "port-block", "N", "ports of an address alone (0: none)", "0"},
  Option{NAT, "port-quota", "N", "ports of an address at most (0: all)", "0"},
  Option{NAT, "udp-filter", "RULE", "UDP from: endpoint, address or port", "endpoint"},
  Option{NAT, "tcp-filter", "RULE", "TCP from: endpoint, address or port", "endpoint"},
  Option{NAT, "max-bindings", "N", "room for ports in use", "262144"},
  Option{NAT, "accel", "HOOK", "xdp, tc or auto", "auto"},

  Option{RUNNING, "tcp-timeout", "TIME", "established TCP, silent", "2h4m"},
  Option{RUNNING, "tcp-opening-timeout", "TIME", "TCP that is not open yet", "4m"},
  Option{RUNNING, "tcp-closing-timeout", "TIME", "TCP that both sides have closed", "4m"},
  Option{RUNNING, "udp-timeout", "TIME", "UDP, silent", "5m"},
  Option{RUNNING, "ping-timeout", "TIME", "ICMP echo", "60s"},
  Option{RUNNING, "inbound-refresh", "", "=false: what comes in keeps no port alive"},
  Option{RUNNING, "quarantine", "TIME", "an ended port is nobody's so long", "2m"},
  Option{RUNNING, "quarantine-ports", "N", "so many at most (0: any number)", "0"},
  Option{RUNNING, "log-bindings", "", "log each port, or block, that is bound"},
  Option{RUNNING, "pin", "DIR", "keep the maps there over a restart"},
  Option{RUNNING, "control", "PATH", "control socket, for slirpstack ctl"},
  Option{RUNNING, "ready-fd", "N", "gets one line when it works"},
  Option{RUNNING, "exit-fd", "N", "end when this is readable or closed"},
  Option{RUNNING, "exit-with-parent", "", "end when the parent process ends"},
  Option{RUNNING, "log-level", "LEVEL", "error, warning, info or debug", "info"},
  Option{RUNNING, "log-format", "FORMAT", "text or json", "text"},
  Option{RUNNING, "quiet", "", "only warnings and errors"},
  Option{RUNNING, "stats-interval", "N", "no effect: slirpstack ctl PATH accel status"},
  Option{RUNNING, "gc-interval", "N", "no effect: bindings end by their timeouts"},
  Option{RUNNING, "skb-mode", "", "TC instead of XDP, which is faster than that"},
  Option{.group = RUNNING,
         .name = "help",
         .placeholder = "",
         .summary = "this text",
         .letter = 'h'},
  Option{RUNNING, "version", "", "the program's version"},
};

std::uint16_t parse_port(std::string_view text)
{
  return static_cast<std::uint16_t>(parse_number(text, 1, 65535));
}

/// None, unless one end of them is typed: then whose addresses they are decides.
std::optional<PortRange> read_ports(const OptionValues& values)
{
  PortRange ports{1024, 65535};
  values.read("port-min", [&](std::string_view text) { ports.first = parse_port(text); });
  values.read("port-max", [&](std::string_view text) { ports.last = parse_port(text); });
  if (ports.last < ports.first) {
    throw UsageError(
      fmt::format("-port-min {} is greater than -port-max {}", ports.first, ports.last));
  }
  return values.is_typed("port-min") || values.is_typed("port-max") ? std::optional(ports)
                                                                    : std::nullopt;
}

void read_nat(const OptionValues& values, Config::Acceleration& nat)
{
  if (values.is_set("skb-mode")) {
    if (values.is_typed("accel") && nat.hook == Config::Acceleration::Hook::xdp) {
      refuse_pair("-skb-mode", "-accel xdp", "it means TC");
    }
    nat.hook = Config::Acceleration::Hook::tc;
  }
  values.read("external-iface",
              [&](std::string_view text) { nat.external = parse_interface(text); });
  values.read("internal-iface",
              [&](std::string_view text) { nat.internal_interface = parse_interface(text); });
  values.read("external-addr",
              [&](std::string_view text) { nat.addresses = parse_external_addresses(text); });
  values.read_each("internal-subnet",
                   [&](std::string_view text) { add_internal_networks(text, nat.internal); });
  nat.ports = read_ports(values);
  nat.kernel_allocates = true;
}

/// Against -E and -I, and each other.
void check_forwards(const OptionValues& values, const Config::Acceleration& nat)
{
  std::set<std::pair<std::uint8_t, Endpoint>> external;
  std::set<std::pair<std::uint8_t, Endpoint>> internal;
  values.read_each("local-forward", [&](std::string_view text) {
    try {
      const ForwardSpec spec = ForwardSpec::parse(ForwardDirection::local, text);
      for (const PublishedPort& port : published_ports(spec, {nat.addresses, nat.internal})) {
        if (!external.emplace(port.protocol, port.external).second) {
          throw UsageError(fmt::format("{} is forwarded already", external_text(port)));
        }
        if (!internal.emplace(port.protocol, port.guest).second) {
          throw UsageError(fmt::format("{} is another forward's already: it can have one external "
                                       "port of a protocol",
                                       port.guest.to_string()));
        }
      }
    } catch (const UsageError& error) {
      throw BadValue(error.what());
    }
  });
}

void check_complete(const Config::Acceleration& nat)
{
  const auto need = [](bool given, std::string_view flag, std::string_view meaning) {
    if (!given) {
      throw UsageError(fmt::format("{} is needed: {} (-help tells more)", flag, meaning));
    }
  };
  need(!nat.external.empty(), "-e", "the interface that leads to the world");
  need(!nat.internal_interface.empty(), "-i", "the interface behind which they are");
  need(!nat.addresses.empty(), "-E", "the addresses that they are seen under");
  need(!nat.internal.empty(), "-I", "the networks that are translated");
  if (nat.external == nat.internal_interface) {
    throw UsageError(fmt::format("-e and -i both name {}: the NAT lies between two interfaces",
                                 quoted(nat.external)));
  }
}

} // namespace

std::span<const Option> cgnat_options()
{
  return CGNAT_OPTIONS;
}

Config parse_cgnat(std::span<const std::string> arguments)
{
  if (!arguments.empty() && arguments.front() == "run") {
    arguments = arguments.subspan(1);
  }
  const GoArguments given = split_go_arguments(arguments, cgnat_options());
  const OptionValues values(given.flags, cgnat_options());
  Config config;
  config.manner = Config::Manner::cgnat;
  if (values.is_set("help") || values.is_set("version")) {
    config.action = values.is_set("help") ? Config::Action::help : Config::Action::version;
    return config;
  }
  if (!given.operands.empty()) {
    throw UsageError(fmt::format("unexpected argument {}", quoted(given.operands.front())));
  }
  config.action = Config::Action::translate;
  apply(values, config);
  read_nat(values, config.acceleration);
  check_complete(config.acceleration);
  check_nat(config.acceleration);
  check_forwards(values, config.acceleration);
  return config;
}

std::string cgnat_usage()
{
  return "cgnat is the NAT between two interfaces of a router, in the kernel (XDP or TC).\n"
         "\n"
         "  cgnat [options] -e eth0 -i eth1 -E 203.0.113.1 -I 10.0.0.0/8\n"
         "\n"
         + describe(cgnat_options())
         + "\n"
           "Where an address of -E is the router's own, its kernel gives ports of it to the "
           "router's\n"
           "connections as well; without -port-min and -port-max subscribers get those above\n"
           "net.ipv4.ip_local_port_range alone, and no service of the router may listen there.\n";
}

} // namespace slirpstack
