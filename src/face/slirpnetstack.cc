#include "face/slirpnetstack.hh"

#include "base/error.hh"
#include "face/exit_status.hh"
#include "face/go_flags.hh"
#include "face/settings.hh"

#include <array>
#include <fmt/format.h>

namespace slirpstack {

namespace {

// The placeholder is the value's Go type.
constexpr std::string_view ALL = "flags";
constexpr std::array SLIRPNETSTACK_OPTIONS{
  Option{ALL, "local-forward", "value", "listen on the host, connect to the guest", "", 'L', true},
  Option{ALL,
         "remote-forward",
         "value",
         "listen for the guest, connect to the host",
         "",
         'R',
         true},
  Option{ALL, "allow", "value", "destinations that are allowed", "", '\0', true},
  Option{ALL, "deny", "value", "destinations that are denied; goes before -allow", "", '\0', true},
  Option{ALL, "dns-ttl", "duration", "how long the answer for a forward's name is kept", "5s"},
  Option{ALL, "enable-host", "", "allow destinations in the host's routes"},
  Option{ALL, "enable-routing", "", "allow all other destinations"},
  Option{ALL, "exit-with-parent", "", "end when the parent process dies"},
  Option{ALL, "fd", "int", "inherited datagram socket with Ethernet frames", "-1"},
  Option{ALL, "interface", "string", "the interface's name", "tun0"},
  Option{ALL, "metrics", "string", "metrics on tcp://ip:port or unix://path", "", 'm'},
  Option{ALL, "maxprocs", "int", "no effect: one processor does it all", "0"},
  Option{ALL, "mtu", "int", "MTU with -fd (0 = 1500)", "0"},
  Option{ALL, "netns", "string", "path of the network namespace to join"},
  Option{ALL, "pcap", "string", "write the guest's packets to this file"},
  Option{ALL, "quiet", "", "print fewer lines"},
  Option{ALL, "source-ipv4", "string", "source of outbound IPv4 sockets"},
  Option{ALL, "source-ipv6", "string", "source of outbound IPv6 sockets"},
  Option{ALL, "version", "", "print the version"},
  Option{ALL, "help", "", "print this", "", 'h'},
};

// The data path's own (spec: "idle 125 s").
constexpr std::chrono::seconds UDP_TIMEOUT(125);

GoArguments split_as_go(std::span<const std::string> arguments)
{
  try {
    return split_go_arguments(arguments, slirpnetstack_options());
  } catch (const BadBoolean& bad) {
    throw UsageError(bad.in_go());
  }
}

} // namespace

std::span<const Option> slirpnetstack_options()
{
  return SLIRPNETSTACK_OPTIONS;
}

Config parse_slirpnetstack(std::span<const std::string> arguments)
{
  // What follows the flags is not looked at, as there.
  const GoArguments given = split_as_go(arguments);
  const OptionValues values(given.flags, slirpnetstack_options(), given.typed);
  Config config;
  config.manner = Config::Manner::slirpnetstack;
  if (values.is_set("help") || values.is_set("version")) {
    config.action = values.is_set("help") ? Config::Action::help : Config::Action::version;
    return config;
  }
  apply(values, config);
  config.egress.disable_routing = !values.is_set("enable-routing");
  config.output.level = LogLevel::error; // its own lines say what there is to say
  config.timeouts.udp = UDP_TIMEOUT;
  config.timeouts.dns = UDP_TIMEOUT;
  if (config.attach.fd && config.attach.netns) {
    throw StartError(EXIT_FD_WITH_NETNS, "-fd and -netns cannot be used together");
  }
  if (!config.attach.fd) {
    config.network.mtu.reset(); // the interface has its own
  }
  return config;
}

std::string slirpnetstack_usage(std::string_view program)
{
  std::string text = fmt::format("Usage of {}:\n", program);
  for (const Option& option : SLIRPNETSTACK_OPTIONS) {
    if (option.name == "help") {
      continue;
    }
    const std::string name
      = option.letter == '\0' ? std::string(option.name) : std::string(1, option.letter);
    const bool is_quoted = option.placeholder == "string" && !option.default_value.empty();
    const bool has_default = !option.default_value.empty() && option.default_value != "0";
    text += fmt::format("  -{}{}{}\n    \t{}{}\n",
                        name,
                        option.is_boolean() ? "" : " ",
                        option.placeholder,
                        option.summary,
                        !has_default ? ""
                        : is_quoted  ? fmt::format(" (default \"{}\")", option.default_value)
                                     : fmt::format(" (default {})", option.default_value));
  }
  return text;
}

std::string slirpnetstack_version()
{
  return "slirpnetstack version " SLIRPSTACK_VERSION "\nbuild time " SLIRPSTACK_BUILD_TIME;
}

} // namespace slirpstack
